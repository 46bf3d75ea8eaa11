"""Which model a command takes: TRL's flags, and where the weights go and what a chat looks like."""

from dataclasses import dataclass, field
from pathlib import Path

from trl import ModelConfig

from clear_unlearning.models import LoadedModel, load_model


@dataclass
class ModelArguments(ModelConfig):
    """A model, its revision, precision and place, and the LoRA adapter that is put on it."""

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
    """The setting of a run that another branch, tag or commit than main is."""
    return {} if model.model_revision == "main" else {"revision": model.model_revision}


def load(model: ModelConfig, device: str | None = None) -> LoadedModel:
    """Loads a model as the command line names it; a program may give TRL's flags alone.

    Args:
        model: Its flags.
        device: Where this process keeps it, if there are several; `device_map` says so otherwise.

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
