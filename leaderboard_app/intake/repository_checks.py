"""Checks of a submitted repository by its file list, its settings and the headers of its weights; no weight is read.

What is not weights is never used: processor, chat template, generation settings and tokenizer are the original's.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from .hub_repository import CONFIG, CONFIG_LIMIT, TOKENIZER, Original, Repository, vocabulary, weight_files
from .safetensors_header import Tensor, parameters

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CARD, FEWEST_CARD_BYTES, MOST_CARD_BYTES = "README.md", 200, 1_000_000
FLOATS = ("F32", "F16", "BF16")
MOST_RANK = 1024
PLAIN_NAME = re.compile(r"[\w.+=@ -]{1,150}(/[\w.+=@ -]{1,150}){0,5}", re.ASCII)
PICKLES = (
    ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".npy", ".npz", ".h5", ".keras", ".msgpack",
    ".onnx", ".gguf", ".ggml", ".pb", ".tflite", ".mar",
)  # fmt: skip
CODE = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".exe", ".sh", ".bat", ".ps1", ".js", ".wasm", ".ipynb")
REMOTE_CODE = ("auto_map", "custom_pipelines", "trust_remote_code")
# What must be the original's in config.json and in the parts of it; of all tensors the shapes are compared as well.
SAME = (
    "model_type", "architectures", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "image_size", "patch_size",
)  # fmt: skip
PARTS = ("text_config", "vision_config")
OUTPUT, EMBEDDING = "lm_head.weight", "embed_tokens.weight"
# Settings of an adapter that would do more than add a product of two matrices to a weight, and their plain values.
PLAIN_ADAPTER: dict[str, tuple[Any, ...]] = {
    "bias": ("none",), "modules_to_save": (None, []), "layer_replication": (None, []), "megatron_config": (None,),
    "trainable_token_indices": (None, [], {}), "target_parameters": (None, []), "lora_bias": (False, None),
    "alora_invocation_tokens": (None, []), "use_qalora": (False, None), "use_bdlora": (False, None),
    "arrow_config": (None,), "velora_config": (None,), "monteclora_config": (None,), "kasa_config": (None,),
    "use_dora": (False, None), "init_lora_weights": (True, False, None, "gaussian"),
}  # fmt: skip


def file_problems(repository: Repository, most_bytes: int) -> Iterator[str]:
    """Yield what is wrong with the list of files."""
    total = sum(file.size for file in repository.files.values())
    if total > most_bytes:
        yield f"the repository has {total} bytes; at most {most_bytes} are accepted"
    for path in sorted(repository.files):
        ending = PurePosixPath(path.lower()).suffix
        shown = path[:200].encode("unicode_escape").decode()
        if not PLAIN_NAME.fullmatch(path) or any(part.strip(". ") == "" for part in path.split("/")):
            yield f"odd file name '{shown}': only letters, digits and . _ - + = @"
        elif ending in PICKLES:
            yield f"'{shown}' may run code when it is loaded: weights must be safetensors; delete it"
        elif ending in CODE:
            yield f"'{shown}' is code: none of a submission's is ever run; delete it"


def card_problems(repository: Repository, licence: str) -> Iterator[str]:
    """Yield what is wrong with the card."""
    if CARD not in repository.files:
        yield f"the repository has no card ({CARD}): say there what the model is"
        return
    size = repository.files[CARD].size
    if not FEWEST_CARD_BYTES <= size <= MOST_CARD_BYTES:
        yield f"the card has {size} bytes: {FEWEST_CARD_BYTES} to {MOST_CARD_BYTES} are asked for"
    stated = repository.card.get("license")
    if not isinstance(stated, str) or not stated.strip():
        yield "the card names no licence (license: ... in its header)"
    elif stated != licence:
        yield f"licence: the card says {stated[:60]!r}, the submission {licence!r}"


def setting_problems(repository: Repository, original: Original) -> Iterator[str]:
    """Yield remote code in any settings file, and a tokenizer with other ids."""
    for path in sorted(repository.files):
        if path.endswith(".json") and "/" not in path and ("config" in path or path == CONFIG):
            try:
                content = repository.read_json(path, CONFIG_LIMIT)
                found = sorted({name for name in _keys(content) if name in REMOTE_CODE})
            except ValueError as error:
                yield str(error)
                continue
            if found:
                yield f"{path} asks for remote code ({', '.join(found)}): none of a submission's is ever run"
    if TOKENIZER in repository.files:
        try:
            if vocabulary(repository) != original.vocabulary:
                yield f"{TOKENIZER}: its token ids are not those of {original.base.original}"
        except ValueError as error:
            yield str(error)


def _keys(content: Any) -> Iterator[str]:
    """Yield all keys of a JSON value, however deep."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def full_problems(repository: Repository, original: Original) -> Iterator[str]:
    """Yield what is wrong with a full model: its settings and all tensors must be shaped as the original's."""
    if ADAPTER_CONFIG in repository.files or ADAPTER_WEIGHTS in repository.files:
        yield "kind: the repository holds an adapter, the submission says full"
        return
    if CONFIG not in repository.files:
        yield f"the repository has no {CONFIG}"
        return
    content = repository.read_json(CONFIG, CONFIG_LIMIT)
    yield from _differences(content, original.config, CONFIG)
    for part in PARTS:
        if isinstance(original.config.get(part), Mapping):
            inner = content.get(part)
            yield from _differences(inner if isinstance(inner, Mapping) else {}, original.config[part], part)
    if "quantization_config" in content:
        yield "config.json: quantised weights cannot be compared in this version"
    paths = weight_files(repository)
    yield from _other_weights(repository, paths)
    tensors: dict[str, Tensor] = {}
    for path in paths:
        found = repository.read_tensors(path)
        if twice := sorted(tensors.keys() & found.keys()):
            yield f"tensor {twice[0]!r} stands in two files"
        tensors |= found
    yield from _tensor_problems(tensors, original)


def _differences(content: Mapping[str, Any], original: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in SAME:
        stated = name in original and (name in content or name == "model_type")
        if stated and content.get(name) != original[name]:
            yield f"{where}: {name} is {str(content.get(name))[:80]!r}, the original's {original[name]!r}"


def _other_weights(repository: Repository, paths: list[str]) -> Iterator[str]:
    for path in sorted(repository.files):
        if path.endswith(".safetensors") and path not in paths:
            yield f"{path[:200]!r} is not a part of the model: delete it"
    for path in paths:
        if path in repository.files and repository.files[path].sha256 is None:
            yield f"{path} is not an LFS file: the Hub keeps weights as such, so this is a link or a text"


def _tensor_problems(tensors: Mapping[str, Tensor], original: Original) -> Iterator[str]:
    wanted = {plain_name(name): tensor for name, tensor in original.tensors.items()}
    seen = {plain_name(name): tensor for name, tensor in tensors.items()}
    if _ties(original.config) and _shape(seen.get(OUTPUT)) in (None, _shape(wanted.get(EMBEDDING))):
        wanted.pop(OUTPUT, None)  # the embedding itself: some save it twice
        seen.pop(OUTPUT, None)
    if missing := sorted(wanted.keys() - seen.keys()):
        yield f"{len(missing)} tensors of the original are missing, the first is {missing[0]}"
    if unknown := sorted(seen.keys() - wanted.keys()):
        yield f"{len(unknown)} tensors are not the original's, the first is {unknown[0][:200]!r}"
    for name in sorted(wanted.keys() & seen.keys()):
        if seen[name].shape != wanted[name].shape:
            yield f"{name} has shape {list(seen[name].shape)}, the original's {list(wanted[name].shape)}: another base"
            break
    if odd := sorted({tensor.dtype for tensor in tensors.values()} - set(FLOATS)):
        yield f"weights of type {', '.join(odd)}; accepted are {', '.join(FLOATS)}"


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tensor.shape


def _ties(config: Mapping[str, Any]) -> bool:
    """Return whether a model's output layer is its embedding of tokens."""
    parts = (config, *(config.get(part) for part in PARTS))
    return any(isinstance(part, Mapping) and part.get("tie_word_embeddings") is True for part in parts)


def plain_name(name: str) -> str:
    """Return a tensor's or module's name without the levels that versions of transformers name differently."""
    return ".".join(part for part in name.split(".") if part not in ("model", "language_model", "vision_model"))


def adapter_problems(repository: Repository, original: Original) -> Iterator[str]:
    """Yield what is wrong with a LoRA adapter: it must be a plain one on the original's own modules."""
    if ADAPTER_CONFIG not in repository.files:
        yield f"kind: the repository has no {ADAPTER_CONFIG}, the submission says adapter"
        return
    settings, base = repository.read_json(ADAPTER_CONFIG, CONFIG_LIMIT), original.base
    if settings.get("peft_type") != "LORA":
        yield f"{ADAPTER_CONFIG}: peft_type is {str(settings.get('peft_type'))[:40]!r}; only LORA can be compared"
    named, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if named != base.original:
        yield f"{ADAPTER_CONFIG}: base_model_name_or_path is {str(named)[:200]!r}, the original is {base.original!r}"
    if revision not in (None, "", base.commit):
        yield f"{ADAPTER_CONFIG}: revision is {str(revision)[:60]!r}, the original's {base.commit!r}"
    for name, plain in PLAIN_ADAPTER.items():
        if name in settings and settings[name] not in plain:
            yield f"{ADAPTER_CONFIG}: {name} is {str(settings[name])[:60]!r}; in this version it must be {plain[0]!r}"
    if ADAPTER_WEIGHTS not in repository.files:
        yield f"the repository has no {ADAPTER_WEIGHTS}: weights must be safetensors"
        return
    yield from _other_weights(repository, [ADAPTER_WEIGHTS])
    yield from _lora_problems(repository.read_tensors(ADAPTER_WEIGHTS), original)


def _lora_problems(tensors: Mapping[str, Tensor], original: Original) -> Iterator[str]:
    """Yield whether each pair of matrices fits the weight that it is added to."""
    weights = {plain_name(name).removesuffix(".weight"): tensor.shape for name, tensor in original.tensors.items()}
    for name, tensor in sorted(tensors.items()):
        module, _, kind = plain_name(name.removeprefix("base_model.")).rpartition(".lora_")
        shape = weights.get(module)
        if shape is None or kind not in ("A.weight", "B.weight") or len(shape) != 2 or len(tensor.shape) != 2:
            yield f"{name[:200]!r} is not a LoRA matrix on a linear layer of the original: an adapter on another base?"
            return
        rank, side = (tensor.shape[0], tensor.shape[1]) if kind[0] == "A" else (tensor.shape[1], tensor.shape[0])
        if side != shape[1 if kind[0] == "A" else 0] or not 1 <= rank <= MOST_RANK:
            yield f"{name} has shape {list(tensor.shape)} on a weight of {list(shape)}: an adapter on another base?"
            return
    if odd := sorted({tensor.dtype for tensor in tensors.values()} - set(FLOATS)):
        yield f"weights of type {', '.join(odd)}; accepted are {', '.join(FLOATS)}"
    if parameters(tensors) == 0:
        yield "the adapter is empty"
