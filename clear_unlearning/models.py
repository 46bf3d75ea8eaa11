"""Loading a vision-language or language model of Hugging Face with its processor, whole or as a LoRA adapter.

Remote code is never run, and weights come only from safetensors or GGUF, whose weights are de-quantised.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from peft import PeftModel
from safetensors import safe_open
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

DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")  # of accelerate: over all devices there are


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
    """Return a file of a model folder or Hub repository, None if it has no such file.

    Raises:
        FileNotFoundError: If there is no such folder, repository or revision, or the Hub cannot be reached and the
            cache does not have the model.
        PermissionError: If the repository is gated.
    """
    if Path(source).is_dir():
        path = Path(source, name)
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(source, name, revision=revision))
    except LocalEntryNotFoundError as error:  # offline: the cache does not say whether the repository has the file
        try:
            path = Path(snapshot_download(source, revision=revision, local_files_only=True), name)
        except LocalEntryNotFoundError:
            raise FileNotFoundError(
                f"model {source!r}: no such folder, the Hub cannot be reached, and the cache does not have it"
            ) from error
        return path if path.is_file() else None
    except EntryNotFoundError:
        return None
    except RevisionNotFoundError as error:
        raise FileNotFoundError(f"model {source!r} has no revision {revision!r} on the Hub") from error
    except GatedRepoError as error:
        raise PermissionError(
            f"model {source!r} is gated: accept its terms on the Hub, then log in with `hf auth login`"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(f"model {source!r}: no such folder and no such repository on the Hub") from error


def require_model(source: str, revision: str | None = None) -> None:
    """Make sure that there is a model, before the work that comes first.

    Raises:
        FileNotFoundError: If there is none.
    """
    if not any(_file(source, name, revision) for name in ("adapter_config.json", "config.json")) and not _gguf(source):
        raise FileNotFoundError(f"model {source!r} holds neither config.json nor adapter_config.json")


def _gguf(source: str) -> str | None:
    """Return the name of the GGUF file of a folder that holds one and no other weights.

    Raises:
        ValueError: If it holds several.
    """
    folder = Path(source)
    if not folder.is_dir() or (folder / "config.json").is_file():
        return None
    found = sorted(path.name for path in folder.glob("*.gguf"))
    if len(found) > 1:
        raise ValueError(f"{source} holds {', '.join(found)}: choose one with --gguf_file")
    return found[0] if found else None


def model_commit(source: str, revision: str | None = None) -> str | None:
    """Return the commit of a model on the Hub, None for a folder.

    Raises:
        FileNotFoundError: If there is no such model.
    """
    require_model(source, revision)
    found = (_file(source, name, revision) for name in ("adapter_config.json", "config.json"))
    return next((_commit(source, file) for file in found if file), None)


def _commit(source: str, file: Path) -> str | None:
    """Return the commit of a file of a Hub repository, None for a folder."""
    return None if Path(source).is_dir() else file.parent.name  # .../snapshots/<commit>/config.json


def load_model(
    source: str,
    revision: str | None = None,
    dtype: str | torch.dtype = "float32",
    device: str | None = None,
    merge: bool = True,
    attention: str | None = None,
    chat_template: Path | None = None,
    gguf_file: str | None = None,
) -> LoadedModel:
    """Load a model from a folder or from the Hub.

    Args:
        source: Folder or Hub id: a full model, or a LoRA adapter that names its base.
        revision: Branch, tag or commit of a Hub id.
        dtype: Precision of the weights; `auto` is that of the files.
        device: Where to put it, or a row of DEVICE_MAPS to spread it; the accelerator if there is one.
        merge: Merge an adapter into its base, so that the model can serve as the reference of further training.
        attention: Implementation of attention, such as `sdpa`; the model's own choice by default.
        chat_template: Jinja file, for a model that comes without a chat template.
        gguf_file: Name of a GGUF file of the source, a language model; its only one by default, if it has no other
            weights.

    Raises:
        FileNotFoundError: If there is no such model or chat template.
        ValueError: If it is not a language or vision-language model, its class does not fit the files, or an adapter
            does not fit its base.
    """
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": attention}
    options |= {"device_map": device} if device in DEVICE_MAPS else {}
    loaded = _load(source, revision, options, device, merge, gguf_file)
    if chat_template is not None:
        loaded.processor.chat_template = chat_template.read_text()
    return loaded


def _load(
    source: str,
    revision: str | None,
    options: dict[str, Any],
    device: str | None,
    merge: bool,
    gguf_file: str | None = None,
) -> LoadedModel:
    gguf_file = gguf_file or _gguf(source)
    if gguf_file:
        return _load_gguf(source, revision, gguf_file, options, device)
    adapter = _file(source, "adapter_config.json", revision)
    if adapter is not None:
        return _load_adapter(source, revision, adapter, options, device, merge)
    about = _file(source, "config.json", revision)
    if about is None:
        raise FileNotFoundError(f"model {source!r} holds neither config.json nor adapter_config.json")
    commit = _commit(source, about)
    revision = commit or revision  # of a branch that moves meanwhile everything is of one commit
    config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    pictures = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    model_class = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
    try:
        network: Any = model_class.from_pretrained(
            source, revision=revision, trust_remote_code=False, use_safetensors=True, **options
        )
    except OSError as error:
        if error.errno is not None:  # the disk's or the network's, not that of transformers about the files
            raise
        raise FileNotFoundError(f"model {source!r}: {error}") from error
    processor = _load_processor(source, revision, pictures)
    return LoadedModel(_placed(network, device).eval(), processor, source, commit)


def _load_gguf(
    source: str, revision: str | None, name: str, options: dict[str, Any], device: str | None
) -> LoadedModel:
    """Load a language model and its tokenizer from a GGUF file (package `gguf`), of which a folder may hold several.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    file = _file(source, name, revision)
    if file is None:
        raise FileNotFoundError(f"model {source!r} holds no {name}")
    of = {"revision": revision, "gguf_file": name, "trust_remote_code": False}
    network: Any = AutoModelForCausalLM.from_pretrained(source, **of, **options)
    network.name_or_path = network.config.name_or_path = source
    del network.config.quantization_config  # de-quantised: it is trained and saved as any other
    network.is_quantized, network.hf_quantizer = False, None
    tokenizer = AutoTokenizer.from_pretrained(source, **of)
    return LoadedModel(_placed(network, device).eval(), tokenizer, source, _commit(source, file))


def _placed(network: Any, device: str | None) -> Any:
    """Return a network on a device, the accelerator by default; one that is spread stays where it is."""
    if device in DEVICE_MAPS:
        return network
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return network.to(device or accelerator or "cpu")


def load_processor(model: PreTrainedModel | PeftModel) -> ProcessorMixin | PreTrainedTokenizerBase:
    """Load the processor of a model that is in memory, or its tokenizer if it takes no images.

    Raises:
        ValueError: If it cannot be loaded.
    """
    return _load_processor(str(model.name_or_path), None, type(model.config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING)


def _load_processor(source: str, revision: str | None, pictures: bool) -> ProcessorMixin | PreTrainedTokenizerBase:
    """Load a processor, or a tokenizer for a model that takes no images.

    Raises:
        ValueError: If the model takes images and there is only a tokenizer, or a library is missing.
    """
    processor_class = AutoProcessor if pictures else AutoTokenizer
    missing = f"the processor of {source!r} cannot be loaded; some need torchvision (pip install torchvision)"
    try:
        processor = processor_class.from_pretrained(source, revision=revision, trust_remote_code=False)
    except (OSError, ImportError) as error:
        raise ValueError(f"{missing}: {error}") from error
    if pictures and isinstance(processor, PreTrainedTokenizerBase):  # AutoProcessor makes do with what it finds
        raise ValueError(f"{missing}: there is only a tokenizer")
    return processor


def _load_adapter(
    source: str, revision: str | None, settings_file: Path, options: dict[str, Any], device: str | None, merge: bool
) -> LoadedModel:
    """Load an adapter on its base, which may be an adapter itself: an unlearned one on the original's."""
    settings = json.loads(settings_file.read_text())
    revision = _commit(source, settings_file) or revision
    base = _load(settings["base_model_name_or_path"], settings.get("revision"), options, device, merge=True)
    weights = _file(source, "adapter_model.safetensors", revision)
    if weights is None:
        raise FileNotFoundError(f"adapter {source!r} holds no adapter_model.safetensors")
    model = _put_on(base, source, revision, weights)
    if merge:
        # It is a model like any other now: free to be trained, and named by an adapter that is put on it.
        model = model.merge_and_unload().requires_grad_(True)
        model.name_or_path = model.config.name_or_path = source
    # An adapter folder may bring no processor of its own: then the base's holds.
    own = _file(source, "tokenizer_config.json", revision) is not None
    processor = _load_processor(source, revision, base.takes_images) if own else base.processor
    return LoadedModel(model.eval(), processor, source, _commit(source, settings_file))


def _put_on(base: LoadedModel, source: str, revision: str | None, weights: Path) -> Any:
    """Put an adapter on its base.

    Raises:
        ValueError: If a weight has no place there, another shape, or is missing.
    """
    wrong = f"adapter {source!r} was made for another model than {base.source!r}"
    with safe_open(weights, framework="pt") as file:
        saved = sum("lora_" in name for name in file.keys())  # noqa: SIM118
    try:
        with warnings.catch_warnings():  # of a weight that is missing PEFT says no more than that
            warnings.filterwarnings("error", message="Found missing adapter keys")
            model = PeftModel.from_pretrained(base.model, source, revision=revision)  # type: ignore[arg-type]
    except (RuntimeError, ValueError, UserWarning) as error:
        raise ValueError(f"{wrong}: {error}") from error
    placed = sum("lora_" in name for name in model.state_dict())
    if saved != placed:
        raise ValueError(f"{wrong}: it has {saved} weights, of which there is place for {placed}")
    return model
