"""Pictures as the files they are: decoded once, to see that they are whole and to know their pixels."""

import hashlib
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
from PIL import Image, UnidentifiedImageError

from .fingerprint import plain_cell

_FEATURE = datasets.Image()
# What Pillow raises for files that are broken, or so large that decoding them would fill the memory.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, OverflowError,
           Image.DecompressionBombError, Image.DecompressionBombWarning)  # fmt: skip


def picture_bytes(picture: Any) -> bytes:
    """Return the file of a picture: of a path its content, of a PIL image a PNG, of a cell of `datasets` its bytes."""
    if isinstance(picture, Path):
        return picture.read_bytes()
    if isinstance(picture, Image.Image):
        return _FEATURE.encode_example(picture)["bytes"]  # type: ignore[return-value]
    if not isinstance(picture, Mapping):
        raise ValueError(f"{str(picture)[:40]!r} is not a picture")
    return Path(picture["path"]).read_bytes() if picture.get("bytes") is None else picture["bytes"]


def decode_picture(content: bytes) -> Image.Image:
    """Decode a file as `datasets` does, turned upright if it says so.

    Raises:
        ValueError: If it is no whole image, or so large that Pillow takes it for a decompression bomb.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _FEATURE.decode_example({"path": None, "bytes": content})
        except UnidentifiedImageError as error:
            raise ValueError("the image does not decode: it is of no known format") from error
        except _BROKEN as error:
            raise ValueError(f"the image does not decode: {' '.join(str(error).split())}") from error


class Pictures:
    """Remembers mode, size and digest of the pixels of each file: a photo of ten configs is decoded once."""

    def __init__(self) -> None:
        self._known: dict[bytes | Path, Any] = {}

    def pixels(self, picture: Any, content: bytes | None = None) -> dict[str, Any]:
        """Return what stands for a picture in a fingerprint.

        Args:
            picture: Path, PIL image or undecoded cell of `datasets`.
            content: Its file, if it has been read already.

        Raises:
            ValueError: If it does not decode.
        """
        if isinstance(picture, Path) and content is None and picture in self._known:
            return self._known[picture]
        file = picture_bytes(picture) if content is None else content
        digest = hashlib.sha256(file).digest()
        if digest not in self._known:
            self._known[digest] = plain_cell(decode_picture(file))
        if isinstance(picture, Path):
            self._known[picture] = self._known[digest]
        return self._known[digest]

    def describe(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows with pixels in place of pictures; one that does not decode has `broken` with the reason."""
        for row in rows:
            yield {column: self._describe(value) if column == "image" else value for column, value in row.items()}

    def _describe(self, picture: Any) -> dict[str, Any] | None:
        if picture is None:
            return None
        try:
            return self.pixels(picture)
        except ValueError as error:
            return {"broken": str(error)}
