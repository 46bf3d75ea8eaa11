"""Loading a vision-language or language model of Hugging Face with its processor, whole or as a LoRA adapter.

Remote code is never run, and weights come from safetensors alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING


@dataclass
class LoadedModel:
    """A model ready for training or scoring.

    Attributes:
        model: The network; a `PeftModel` if the source was an adapter and `merge` was off.
        processor: Its processor, or its tokenizer if it takes no images.
        source: Where it came from.
        commit: Commit of the Hub repository, None for a folder.
    """

    model: PreTrainedModel | PeftModel
    processor: ProcessorMixin | PreTrainedTokenizerBase
    source: str
    commit: str | None

    @property
    def takes_images(self) -> bool:
        """Whether the model can look at pictures."""
        return not isinstance(self.processor, PreTrainedTokenizerBase)


def _file(source: str, name: str, revision: str | None) -> Path | None:
    """A file of a model folder or Hub repository, None if it has no such file."""
    if Path(source).is_dir():
        path = Path(source, name)
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(source, name, revision=revision))
    except LocalEntryNotFoundError as error:
        raise FileNotFoundError(f"model {source!r}: no such folder, and the Hub cannot be reached") from error
    except EntryNotFoundError:
        return None
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(f"model {source!r}: no such folder and no such repository on the Hub") from error


def load_model(
    source: str,
    revision: str | None = None,
    dtype: str | torch.dtype = "float32",
    device: str | None = None,
    merge: bool = True,
) -> LoadedModel:
    """Loads a model from a folder or from the Hub.

    Args:
        source: Folder or Hub id: a full model, or a LoRA adapter that names its base.
        revision: Branch, tag or commit of a Hub id.
        dtype: Precision of the weights.
        device: Where to put it; the accelerator if there is one.
        merge: Merge an adapter into its base, so that the model can serve as the reference of further training.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it is no language or vision-language model, or its class does not fit the files.
    """
    adapter = _file(source, "adapter_config.json", revision)
    base, base_revision = source, revision
    if adapter is not None:
        settings = json.loads(adapter.read_text())
        base, base_revision = settings["base_model_name_or_path"], settings.get("revision")
    if _file(base, "config.json", base_revision) is None:
        raise FileNotFoundError(f"model {base!r} holds neither config.json nor adapter_config.json")
    config = AutoConfig.from_pretrained(base, revision=base_revision, trust_remote_code=False)
    pictures = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    model_class = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
    processor_class = AutoProcessor if pictures else AutoTokenizer
    model = model_class.from_pretrained(
        base, revision=base_revision, dtype=dtype, trust_remote_code=False, use_safetensors=True
    )
    # An adapter folder may bring no processor of its own: then the base's holds.
    own = adapter is None or _file(source, "tokenizer_config.json", revision) is not None
    processor = processor_class.from_pretrained(
        source if own else base, revision=revision if own else base_revision, trust_remote_code=False
    )
    if adapter is not None:
        model = PeftModel.from_pretrained(model, source, revision=revision)
        if merge:
            model = model.merge_and_unload()
    device = device or (torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu")  # type: ignore[union-attr]
    network: Any = model
    return LoadedModel(network.to(device).eval(), processor, source, getattr(config, "_commit_hash", None))
