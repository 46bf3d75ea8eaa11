"""What a checkpoint says of itself on the Hub: its model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

_BODY = """
# {title}

{what}

Part of [CLEAR](https://arxiv.org/abs/2410.18057), a benchmark of machine unlearning in text and images: the people in
its data are fictitious, and this model must not be taken as a source about anybody.

## How it was made

```json
{settings}
```

## Use

```python
from transformers import {classes}

model = {model_class}.from_pretrained("{folder}")
processor = {processor_class}.from_pretrained("{folder}")
```
"""


def write_model_card(
    folder: Path, title: str, what: str, settings: Mapping[str, Any], images: bool, adapter: bool, base: str
) -> None:
    """Writes README.md of a checkpoint.

    Args:
        folder: The checkpoint.
        title: First line.
        what: What the model is, in a sentence or two.
        settings: How it was made; plain JSON values.
        images: Whether it takes images.
        adapter: Whether it is a LoRA adapter.
        base: The model that training started from.
    """
    tags = ["clear", "unlearning", "trl"]
    card = ModelCardData(
        library_name="peft" if adapter else "transformers",
        pipeline_tag="image-text-to-text" if images else "text-generation",
        tags=tags,
        base_model=None if Path(base).exists() else base,
    )
    model_class = "AutoModelForImageTextToText" if images else "AutoModelForCausalLM"
    processor_class = "AutoProcessor" if images else "AutoTokenizer"
    body = _BODY.format(
        title=title,
        what=what,
        settings=json.dumps(settings, indent=2),
        classes=f"{model_class}, {processor_class}",
        model_class=model_class,
        processor_class=processor_class,
        folder=title,
    )
    ModelCard(f"---\n{card.to_yaml()}\n---\n{body}").save(folder / "README.md")
