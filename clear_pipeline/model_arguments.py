"""The model of a command: TRL's flags, where its weights go, its chat template, and the LoRA adapter put on it."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from peft import PeftConfig
from transformers import PreTrainedModel
from trl import ModelConfig, get_peft_config

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
    gguf_file: str | None = field(
        default=None, metadata={"help": "GGUF file of the folder or Hub model, if it holds several; de-quantised."}
    )
    chat_template: str | None = field(
        default=None, metadata={"help": "Jinja file, for a model that comes without a chat template."}
    )

    def __post_init__(self) -> None:
        """Check the flags of TRL."""
        check_model_flags(self)
        super().__post_init__()


QUANTISED = ("load_in_8bit", "load_in_4bit", "bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage")
ADAPTER = (
    *(one.name for one in fields(ModelConfig) if one.name.startswith("lora_") and one.name != "lora_task_type"),
    "use_rslora",
    "use_dora",
)


def check_model_flags(model: ModelConfig) -> None:
    """Refuse flags of TRL that would do nothing.

    Raises:
        ValueError: If a flag is not supported, or one of the adapter is given without an adapter.
    """
    changed = given(model)
    for name in QUANTISED:
        if name in changed:
            raise ValueError(
                f"--{name} is not supported: quantised weights cannot be merged or compared with the original's; use "
                "--dtype bfloat16, and --use_peft true to save memory"
            )
    if "lora_task_type" in changed:
        raise ValueError("--lora_task_type is not supported: the task follows from the model")
    wrong = [name for name in ADAPTER if name in changed]
    if wrong and not model.use_peft:
        raise ValueError(f"--{wrong[0]} requires --use_peft true")


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
    check_model_flags(model)
    if revision_setting(model) and Path(model.model_name_or_path).is_dir():
        raise ValueError(f"--model_revision is for models on the Hub; {model.model_name_or_path} is a folder")
    own = model if isinstance(model, ModelArguments) else ModelArguments()
    return load_model(
        model.model_name_or_path,
        revision=revision_setting(model).get("revision"),
        dtype=model.dtype or "float32",
        device=device or own.device_map,
        attention=model.attn_implementation,
        chat_template=Path(own.chat_template) if own.chat_template else None,
        gguf_file=own.gguf_file,
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


def peft_config(model: ModelConfig, network: PreTrainedModel, freeze_vision: bool = True) -> PeftConfig | None:
    """Return the LoRA adapter of the flags, by TRL's own helper.

    Without other targets it is put on all linear layers of the language model, as in the paper.

    Args:
        model: The flags.
        network: The model.
        freeze_vision: Keep the adapter off the vision tower, whatever targets are named.
    """
    from trainers.base.given import given_adapter

    return given_adapter(get_peft_config(model), network, freeze_vision)
