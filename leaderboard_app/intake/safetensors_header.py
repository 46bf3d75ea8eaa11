"""The header of a safetensors file, read with distrust (https://huggingface.co/docs/safetensors).

A file begins with eight bytes, the header's length N as a little-endian integer, then N bytes of JSON that name each
tensor's type, shape and place. All else about a file can be judged from these and its size, without its weights.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LENGTH_BYTES = 8
FORMAT_LIMIT = 100_000_000  # bytes, the format's own
HEADER_LIMIT = 25_000_000  # bytes
MOST_TENSORS = 20_000
MOST_DIMENSIONS = 8
MOST_ELEMENTS = 2**40
LONGEST_NAME = 300
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32,
    "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip
METADATA = "__metadata__"


@dataclass(frozen=True)
class Tensor:
    """A tensor as a header describes it: type, shape, and first and last + 1 byte behind the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def header_length(first: bytes, file_size: int) -> int:
    """Return the length of the JSON, from a file's first eight bytes.

    Raises:
        ValueError: If the file cannot have such a header.
    """
    if file_size < LENGTH_BYTES or len(first) < LENGTH_BYTES:
        raise ValueError(f"the file is too short for a safetensors header: {file_size} bytes")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    if length > FORMAT_LIMIT:
        raise ValueError(f"this is not a safetensors file: it claims a header of {length} bytes")
    if length > HEADER_LIMIT:
        raise ValueError(f"the header has {length} bytes; at most {HEADER_LIMIT} are read")
    if length < 2 or length > file_size - LENGTH_BYTES:
        raise ValueError(f"the header claims {length} bytes, the file has {file_size}: truncated, or no safetensors")
    return length


def parse_header(head: bytes, file_size: int) -> dict[str, Tensor]:
    """Parse a file's first bytes and make sure that they describe the whole file.

    Args:
        head: The length and the JSON; what follows is passed over.
        file_size: Bytes of the whole file, as the Hub states it.

    Returns:
        The tensors by name.

    Raises:
        ValueError: If the header is not valid or does not fit the file; the reason is named.
    """
    length = header_length(head, file_size)
    text = head[LENGTH_BYTES : LENGTH_BYTES + length]
    if len(text) < length:
        raise ValueError(f"the header has {length} bytes, {len(text)} of them are there")
    try:
        content = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the header is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the header is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(content, dict):
        raise ValueError("the header is not a JSON object")
    _check_metadata(content.pop(METADATA, {}))
    if not 1 <= len(content) <= MOST_TENSORS:
        raise ValueError(f"the header names {len(content)} tensors; 1 to {MOST_TENSORS} are possible")
    tensors = {name: _tensor(name, entry) for name, entry in content.items()}
    _check_places(tensors, file_size - LENGTH_BYTES - length)
    return tensors


def parameters(tensors: Mapping[str, Tensor]) -> int:
    """Return how many numbers the tensors have together."""
    return sum(tensor.elements for tensor in tensors.values())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"the key {name[:LONGEST_NAME]!r} stands twice")
        content[name] = value
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _check_metadata(metadata: Any) -> None:
    is_text = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    if not is_text:
        raise ValueError("the header's metadata must be texts by name")


def _tensor(name: str, entry: Any) -> Tensor:
    """Return one tensor of the header."""
    where = f"tensor {name[:LONGEST_NAME]!r}"
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"{where}: a name has 1 to {LONGEST_NAME} printable characters")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{where}: needs dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ValueError(f"{where}: unknown dtype {str(dtype)[:40]!r}")
    if not _are_counts(shape) or len(shape) > MOST_DIMENSIONS or math.prod(shape) > MOST_ELEMENTS:
        raise ValueError(f"{where}: absurd shape {str(shape)[:80]}")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{where}: absurd offsets {str(offsets)[:80]}")
    tensor = Tensor(dtype, tuple(shape), *offsets)
    wanted = tensor.elements * BITS[dtype] // 8
    if tensor.end - tensor.begin != wanted:
        raise ValueError(f"{where}: {tensor.end - tensor.begin} bytes for a shape of {wanted}")
    return tensor


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_places(tensors: Mapping[str, Tensor], data_size: int) -> None:
    """Make sure that the tensors follow one another without holes and fill the file."""
    place = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != place:
            kind = "overlaps another" if tensor.begin < place else "leaves a hole before it"
            raise ValueError(f"tensor {name!r} {kind}: it begins at {tensor.begin}, the one before ends at {place}")
        place = tensor.end
    if place != data_size:
        raise ValueError(f"the tensors need {place} bytes, the file has {data_size}: truncated, or with an appendix")
