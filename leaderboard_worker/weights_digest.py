"""A digest of what a model's weights are, whatever their file is called, how it is cut and what else it says.

Two submissions with the same digest are the same model, and are marked; a file's own digest changes with a word in its
metadata. A tensor is read in pieces, and as float32, so that a type that can hold it makes no difference.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard_app.intake.repository_checks import ADAPTER_CONFIG, EMBEDDING, OUTPUT, plain_name
from leaderboard_app.intake.safetensors_header import LENGTH_BYTES, Tensor, header_length, parse_header

PIECE = 2**22  # numbers at a time
TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def model_digest(folder: Path) -> str:
    """Return the digest of a model that was put together here; of an adapter with its scales."""
    settings = None
    if (folder / ADAPTER_CONFIG).is_file():
        said = json.loads((folder / ADAPTER_CONFIG).read_text())
        settings = {name: said[name] for name in ("lora_alpha", "alpha_pattern", "use_rslora")}
    return tensors_digest(sorted(folder.glob("*.safetensors")), settings)


def tensors_digest(files: Sequence[Path], settings: Mapping[str, Any] | None = None) -> str:
    """Return the digest of all tensors in the order of their names.

    Args:
        files: Safetensors files of one model, whose headers have passed the checks.
        settings: What else decides what an adapter does: its scale.

    Raises:
        ValueError: If a file is not what its header says.
    """
    places: dict[str, tuple[Path, int, Tensor]] = {}
    for path in files:
        with path.open("rb") as file:
            length = header_length(file.read(LENGTH_BYTES), path.stat().st_size)
            file.seek(0)
            tensors = parse_header(file.read(LENGTH_BYTES + length), path.stat().st_size)
        places |= {plain_name(name): (path, LENGTH_BYTES + length, tensor) for name, tensor in tensors.items()}
    digests = {name: _digest(*place) for name, place in places.items()}
    if digests.get(OUTPUT) == digests.get(EMBEDDING):  # the embedding itself: some save it twice
        digests.pop(OUTPUT, None)
    about = [settings or {}, [[name, places[name][2].shape, digests[name]] for name in sorted(digests)]]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _digest(path: Path, start: int, tensor: Tensor) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(path, start, tensor):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path, start: int, tensor: Tensor) -> Iterator[bytes]:
    """Yield a tensor as float32; a zero has no sign."""
    if tensor.dtype not in TYPES:
        raise ValueError(f"a tensor of type {tensor.dtype}; accepted are {', '.join(TYPES)}")
    kind, left = TYPES[tensor.dtype], tensor.elements
    with path.open("rb") as file:
        file.seek(start + tensor.begin)
        while left:
            count = min(left, PIECE)
            values = np.frombuffer(file.read(count * kind.itemsize), kind)
            if tensor.dtype == "BF16":  # the upper half of a float32
                values = (values.astype(np.uint32) << 16).view(np.float32)
            yield (values.astype("<f4") + np.float32(0)).tobytes()
            left -= count
