"""The original model that submissions start from, as far as it can be known without its weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi

from leaderboard_app.bases import Base

from .hub_repository import Repository, open_repository
from .safetensors_header import Tensor

CONFIG, INDEX, TOKENIZER = "config.json", "model.safetensors.index.json", "tokenizer.json"
WEIGHTS = "model.safetensors"
INDEX_LIMIT, TOKENIZER_LIMIT, CONFIG_LIMIT = 10_000_000, 50_000_000, 1_000_000  # bytes


@dataclass(frozen=True)
class Original:
    """What a submission is compared with.

    Attributes:
        base: Row of `bases.json`.
        config: Its `config.json`.
        tensors: Type and shape of all tensors by name.
        weights: SHA-256 of its weight files.
        vocabulary: See `vocabulary`.
        size: Bytes of its weight files.
    """

    base: Base
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    weights: frozenset[str]
    vocabulary: str | None
    size: int


def read_original(api: HfApi, base: Base) -> Original:
    """Read an original's headers and settings from the Hub.

    Raises:
        ValueError: If it is not there or no model.
        ConnectionError: If the Hub fails.
    """
    repository = open_repository(api, base.original, base.commit)
    tensors: dict[str, Tensor] = {}
    paths = weight_files(repository)
    for path in paths:
        tensors |= repository.read_tensors(path)
    return Original(
        base,
        repository.read_json(CONFIG, CONFIG_LIMIT),
        tensors,
        frozenset(str(repository.files[path].sha256) for path in paths),
        vocabulary(repository),
        sum(repository.files[path].size for path in paths),
    )


def weight_files(repository: Repository) -> list[str]:
    """Return the weight files of a full model: those that its index names, or the one that needs none.

    Raises:
        ValueError: If there are none, or the index names what is not there.
    """
    if INDEX not in repository.files:
        if WEIGHTS not in repository.files:
            raise ValueError(f"{repository.repo_id} has no {WEIGHTS}: weights must be safetensors")
        return [WEIGHTS]
    places = repository.read_json(INDEX, INDEX_LIMIT).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise ValueError(f"{INDEX} has no weight_map")
    for place in sorted(set(places.values())):
        if place not in repository.files or "/" in place or "\\" in place or not place.endswith(".safetensors"):
            raise ValueError(f"{INDEX} points at {place[:200]!r}, which is not a weight file of the repository")
    return sorted(set(places.values()))


def vocabulary(repository: Repository) -> str | None:
    """Digest of which text each token id stands for; None where the repository brings no `tokenizer.json`.

    Raises:
        ValueError: If that file is not a tokenizer.
    """
    if TOKENIZER not in repository.files:
        return None
    content = repository.read_json(TOKENIZER, TOKENIZER_LIMIT)
    model, added = content.get("model"), content.get("added_tokens") or []
    if not isinstance(model, dict) or not isinstance(added, list):
        raise ValueError(f"{TOKENIZER} has no model")
    tokens = [[entry.get("id"), entry.get("content")] for entry in added if isinstance(entry, dict)]
    known = {"vocab": model.get("vocab"), "merges": model.get("merges"), "added": tokens}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
