"""The model card of a checkpoint on the Hub."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

_BODY = """
# {title}

{what}

Part of [CLEAR](https://arxiv.org/abs/2410.18057), a benchmark of machine unlearning in text and images: the people in
its data are fictitious, and this model must not be taken as a source about anybody.
{scores}
## How it was made

```json
{settings}
```

## Use

```python
{use}
```
"""
_WHOLE = """from transformers import {model_class}, {processor_class}

model = {model_class}.from_pretrained("{name}")
processor = {processor_class}.from_pretrained("{name}")"""
_ADAPTER = """from clear_unlearning.models import load_model

loaded = load_model("{name}")  # puts the adapter on {base}; that may be an adapter itself
model, processor = loaded.model, loaded.processor"""


@dataclass(frozen=True)
class Score:
    """A number of the card.

    Attributes:
        key: Its name in programs.
        title: Its name for readers.
        value: The number.
        interval: Low and high end of its 95 % interval, None if it has none.
    """

    key: str
    title: str
    value: float
    interval: Sequence[float] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """What the card of a checkpoint is made of.

    Attributes:
        title: First line.
        what: What the model is, in a sentence or two.
        settings: How it was made; plain JSON values.
        images: Whether it takes images.
        adapter: Whether it is a LoRA adapter.
        base: The model that training started from.
        name: Where it is to be loaded from; the title by default.
        dataset: Hub id of the data, None for a folder.
        revision: Commit of the data on the Hub.
        config: Config that was scored.
        licence: As the Hub names it, None where it is not published.
        scores: Its numbers.
    """

    title: str
    what: str
    settings: Mapping[str, Any]
    images: bool
    adapter: bool
    base: str
    name: str | None = None
    dataset: str | None = None
    revision: str | None = None
    config: str | None = None
    licence: str | None = None
    scores: Sequence[Score] = field(default=())


def model_card(checkpoint: Checkpoint) -> ModelCard:
    """Return the card of a checkpoint: README.md with metadata, its scores as `model-index` and as a table."""
    name = checkpoint.name or checkpoint.title
    scored: dict[str, Any] = {}
    if checkpoint.scores:
        scored = {
            "model_name": checkpoint.title,
            "eval_results": [_result(score, checkpoint) for score in checkpoint.scores],
        }
    card = ModelCardData(
        library_name="peft" if checkpoint.adapter else "transformers",
        pipeline_tag="image-text-to-text" if checkpoint.images else "text-generation",
        tags=["clear", "unlearning", "trl"],
        license=checkpoint.licence,
        base_model=None if Path(checkpoint.base).exists() else checkpoint.base,
        datasets=checkpoint.dataset,
        **scored,
    )
    use = (_ADAPTER if checkpoint.adapter else _WHOLE).format(
        name=name,
        base=checkpoint.base,
        model_class="AutoModelForImageTextToText" if checkpoint.images else "AutoModelForCausalLM",
        processor_class="AutoProcessor" if checkpoint.images else "AutoTokenizer",
    )
    body = _BODY.format(
        title=checkpoint.title,
        what=checkpoint.what,
        scores=_table(checkpoint.scores),
        settings=json.dumps(checkpoint.settings, indent=2),
        use=use,
    )
    return ModelCard(f"---\n{card.to_yaml()}\n---\n{body}")


def write_model_card(
    folder: Path, title: str, what: str, settings: Mapping[str, Any], images: bool, adapter: bool, base: str
) -> None:
    """Write README.md of a checkpoint; see `Checkpoint` for the arguments."""
    model_card(Checkpoint(title, what, settings, images, adapter, base)).save(folder / "README.md")


def _result(score: Score, checkpoint: Checkpoint) -> EvalResult:
    return EvalResult(
        task_type="image-text-to-text" if checkpoint.images else "text-generation",
        dataset_type=checkpoint.dataset or "clear",
        dataset_name="CLEAR",
        dataset_config=checkpoint.config,
        dataset_revision=checkpoint.revision,
        metric_type=score.key,
        metric_name=score.title,
        metric_value=score.value,
        metric_args=None if score.interval is None else {"interval_95": list(score.interval)},
    )


def _table(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    lines = ["", "## Scores", "", "| score | value | 95 % interval, by person |", "|---|---:|---:|"]
    for score in scores:
        ends = "" if score.interval is None else " to ".join(f"{end:.3f}" for end in score.interval)
        value = f"{score.value:.1e}" if 0 < abs(score.value) < 1e-3 else f"{score.value:.3f}"
        lines.append(f"| {score.title} | {value} | {ends} |")
    return "\n".join([*lines, ""])
