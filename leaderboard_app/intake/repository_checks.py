"""Checks of a submitted repository by its file list, its settings and the headers of its weights; no weight is read.

What is not weights is never used: processor, chat template, generation settings and tokenizer are the original's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
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
    "fan_in_fan_out": (False, None), "use_rslora": (False, True, None), "lora_ga_config": (None,),
    "ensure_weight_tying": (False, None),
}  # fmt: skip
# Settings of an adapter that are not used: modules and ranks follow from its tensors.
UNUSED_ADAPTER = {
    "peft_type", "base_model_name_or_path", "revision", "task_type", "auto_mapping", "peft_version", "inference_mode",
    "target_modules", "exclude_modules", "lora_dropout", "layers_to_transform", "layers_pattern", "rank_pattern",
    "megatron_core", "loftq_config", "eva_config", "corda_config", "qalora_group_size", "runtime_config",
}  # fmt: skip
MOST_ALPHA, MOST_PATTERNS = 65536, 2000
PLAIN_MODULE = re.compile(r"[\w.]{1,200}", re.ASCII)


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
    """Yield remote code in any settings file, in folders too, and a tokenizer with other ids."""
    for path in sorted(repository.files):
        if path.lower().endswith(".json") and "config" in path.lower():
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
    for name in sorted(settings.keys() - PLAIN_ADAPTER.keys() - UNUSED_ADAPTER - {"r", "lora_alpha", "alpha_pattern"}):
        if settings[name] not in (None, False, [], {}):
            yield f"{ADAPTER_CONFIG}: unknown setting {name[:60]!r}; only plain LoRA can be compared"
    rank = settings.get("r", 8)
    if type(rank) is not int or not 1 <= rank <= MOST_RANK:
        yield f"{ADAPTER_CONFIG}: r is {str(rank)[:60]!r}; it must be a whole number from 1 to {MOST_RANK}"
    if ADAPTER_WEIGHTS not in repository.files:
        yield f"the repository has no {ADAPTER_WEIGHTS}: weights must be safetensors"
        return
    yield from _other_weights(repository, [ADAPTER_WEIGHTS])
    tensors = repository.read_tensors(ADAPTER_WEIGHTS)
    yield from _lora_problems(tensors, original)
    lora_alphas(settings, lora_ranks(tensors))


def lora_ranks(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the modules that an adapter changes, as its tensors name them, and the rank of each.

    Raises:
        ValueError: If a module lacks one of its two matrices, or they are of different ranks.
    """
    sides: dict[str, dict[str, int]] = {}
    for name, tensor in tensors.items():
        module, _, kind = name.removeprefix("base_model.model.").rpartition(".lora_")
        sides.setdefault(module, {})[kind[:1]] = tensor.shape[0 if kind[:1] == "A" else -1] if tensor.shape else 0
    for module, found in sides.items():
        if found.keys() != {"A", "B"} or found["A"] != found["B"]:
            raise ValueError(f"{module[:200]!r} has no pair of matrices of one rank, but {found}")
    return {module: sides[module]["A"] for module in sorted(sides)}


def lora_alphas(settings: Mapping[str, Any], modules: Iterable[str]) -> dict[str, float]:
    """Return the scale of each module of an adapter; a name in `alpha_pattern` is a name here, and no pattern.

    Args:
        settings: Of the adapter.
        modules: What it changes.

    Raises:
        ValueError: If a scale is not a number from 0 to MOST_ALPHA, or a name may be a pattern.
    """
    everywhere, named = settings.get("lora_alpha", 8), settings.get("alpha_pattern") or {}
    if not isinstance(named, Mapping) or len(named) > MOST_PATTERNS:
        raise ValueError(f"{ADAPTER_CONFIG}: alpha_pattern must give numbers by at most {MOST_PATTERNS} module names")
    for name, alpha in {"lora_alpha": everywhere, **named}.items():
        if not PLAIN_MODULE.fullmatch(name):
            raise ValueError(f"{ADAPTER_CONFIG}: alpha_pattern has {name[:60]!r}; give names of modules, no patterns")
        if type(alpha) not in (int, float) or not 0 < alpha <= MOST_ALPHA:
            raise ValueError(
                f"{ADAPTER_CONFIG}: the alpha of {name} is {str(alpha)[:60]!r}; 0 to {MOST_ALPHA} are valid"
            )
    ends = {module: [module.split(".", i)[-1] for i in range(module.count(".") + 1)] for module in modules}
    return {module: next((named[end] for end in ends[module] if end in named), everywhere) for module in ends}


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
