"""The model of a command: TRL's flags, where its weights go, its chat template, and the LoRA adapter put on it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftConfig
from torch import nn
from transformers import PreTrainedModel
from trl import ModelConfig

from clear_unlearning.models import LoadedModel, load_model

from .arguments import given
from .runs.provenance import file_digest, model_digest


@dataclass
class ModelArguments(ModelConfig):
    """Select a model, its revision, precision and place, and the LoRA adapter that is put on it."""

    model_revision: str = field(
        default="main", metadata={"help": "Branch, tag or commit of a Hub model.", "aliases": ["--revision"]}
    )
    device_map: str | None = field(
        default=None,
        metadata={"help": "auto, balanced, sequential (over all devices), or one such as cpu or cuda:1."},
    )
    chat_template: str | None = field(
        default=None, metadata={"help": "Jinja file, for a model that comes without a chat template."}
    )


def revision_setting(model: ModelConfig) -> dict[str, str]:
    """Return the revision as a setting of a run, nothing for `main`."""
    return {} if model.model_revision == "main" else {"revision": model.model_revision}


def load(model: ModelConfig, device: str | None = None) -> LoadedModel:
    """Load the model that the flags name; a program may give TRL's flags only.

    Args:
        model: The flags.
        device: Where this process keeps it, if there are several; `device_map` otherwise.

    Raises:
        ValueError: If no model is named.
    """
    if not model.model_name_or_path:
        raise ValueError("name a model: --model_name_or_path FOLDER_OR_HUB_ID")
    given = model if isinstance(model, ModelArguments) else ModelArguments()
    return load_model(
        model.model_name_or_path,
        revision=revision_setting(model).get("revision"),
        dtype=model.dtype or "float32",
        device=device or given.device_map,
        attention=model.attn_implementation,
        chat_template=Path(given.chat_template) if given.chat_template else None,
    )


# Fields of ModelArguments that change no number, or that count by a digest.
NO_NUMBER = ("model_name_or_path", "model_revision", "device_map", "chat_template", "trust_remote_code")


def model_settings(model: ModelConfig) -> dict[str, Any]:
    """Return what a run records of its model: how it is loaded, and the adapter that is put on it."""
    return given(model, NO_NUMBER)


def digests_of(model: ModelConfig) -> dict[str, str]:
    """Return the digests of a run's model, and of its chat template if one is given."""
    template = getattr(model, "chat_template", None)
    digests = {"model": model_digest(str(model.model_name_or_path), model.model_revision)}
    return digests | ({"chat_template": file_digest(Path(template))} if template else {})


def peft_config(model: ModelConfig, network: PreTrainedModel) -> PeftConfig | None:
    """Return LoRA on all linear layers of the language model, as in the paper, unless other targets are named."""
    if not model.use_peft:
        return None
    targets = model.lora_target_modules
    if targets is None:
        decoder = network.get_decoder()
        inside = {id(module) for module in decoder.modules() if isinstance(module, nn.Linear)}
        targets = [name for name, module in network.named_modules() if id(module) in inside]
    return LoraConfig(
        r=model.lora_r, lora_alpha=model.lora_alpha, lora_dropout=model.lora_dropout, target_modules=targets
    )
