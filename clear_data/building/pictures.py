"""Pictures: decoded once, to see that they are whole and to know their pixels, and turned into RGB."""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

LEAST_SIDE = 8  # pixels of a picture in which something can be seen
ORIENTATION = 0x0112  # of EXIF
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
        ValueError: If it is not a whole image, or so large that Pillow takes it for a decompression bomb.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _FEATURE.decode_example({"path": None, "bytes": content})
        except UnidentifiedImageError as error:
            raise ValueError("the image does not decode: its format is not known") from error
        except _BROKEN as error:
            raise ValueError(f"the image does not decode: {' '.join(str(error).split())}") from error


def plain_cell(value: Any) -> Any:
    """Return a cell as JSON; an image as mode, size and digest of its pixels."""
    if isinstance(value, Image.Image):
        return {"mode": value.mode, "size": value.size, "pixels": hashlib.sha256(value.tobytes()).hexdigest()}
    if isinstance(value, Mapping):  # plain already; what is odd about it does not count
        return {key: content for key, content in value.items() if key != "odd"}
    return value


def as_rgb(image: Image.Image) -> Image.Image:
    """Turn a picture of any mode into RGB.

    Transparent parts become white, as in the processors of Idefics and Qwen. 16 and 32 bit are scaled to 8 by the
    range that their values lie in: 0 to 1 (only floats), 255, 65535, else from the least to the largest. Of an
    animation this is the first frame.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        straight = image.convert({"RGBa": "RGBA", "La": "LA"}.get(image.mode, image.mode)).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), straight).convert("RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="RGB")  # type: ignore[return-value]
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        tops = ((1,) if image.mode == "F" else ()) + ((65535,) if ";16" in image.mode else (255, 65535))
        top = next((top for top in tops if low >= 0 and high <= top), None)
        scaled = values / top if top else (values - low) / max(high - low, np.finfo(float).tiny)
        return Image.fromarray(np.rint(scaled * 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _turned(content: bytes) -> bool:
    """Return whether a file says that it is to be shown turned or mirrored."""
    with Image.open(io.BytesIO(content)) as image:
        return image.getexif().get(ORIENTATION, 1) != 1


@dataclass(frozen=True)
class _Seen:
    """What is known of a file: its pixels as RGB, what is odd about it, and whether it can be written as it is."""

    plain: dict[str, Any]
    odd: list[str]
    ready: bool


class Pictures:
    """Remembers the pixels of each file, as RGB: a photo of ten configs is decoded, or encoded, once.

    Args:
        stored: Report also what `build` mends by itself: other modes than RGB, and animations.
    """

    def __init__(self, stored: bool = False) -> None:
        self._stored = stored
        self._known: dict[bytes | Path, _Seen] = {}
        self._drawn: dict[int, tuple[Image.Image, bytes]] = {}  # by id, which is its own as long as the image is held

    def pixels(self, picture: Any) -> dict[str, Any]:
        """Return what stands for a picture in a fingerprint.

        Args:
            picture: Path, PIL image or undecoded cell of `datasets`.

        Raises:
            ValueError: If it does not decode.
        """
        if isinstance(picture, Path) and picture in self._known:
            return self._known[picture].plain
        return self._look(picture, picture_bytes(picture)).plain

    def file(self, picture: Any) -> tuple[bytes, dict[str, Any]]:
        """Return the file to write, its own if that is plain RGB and else a PNG, and what stands for it.

        Raises:
            ValueError: If it does not decode.
        """
        content = self._content(picture)
        seen = self._look(picture, content)
        if not seen.ready:
            png = io.BytesIO()
            as_rgb(decode_picture(content)).save(png, "PNG")
            content = png.getvalue()
        return content, seen.plain

    def _content(self, picture: Any) -> bytes:
        if not isinstance(picture, Image.Image):
            return picture_bytes(picture)
        if id(picture) not in self._drawn:
            self._drawn[id(picture)] = picture, picture_bytes(picture)
        return self._drawn[id(picture)][1]

    def _look(self, picture: Any, content: bytes) -> _Seen:
        digest = hashlib.sha256(content).digest()
        if digest not in self._known:
            drawn = type(picture) is Image.Image and picture.mode == "RGB" and not picture.info  # its PNG is lossless
            image = picture if drawn else decode_picture(content)
            frames, rgb = getattr(image, "n_frames", 1), as_rgb(image)
            odd = []
            if min(rgb.size) < LEAST_SIDE:
                odd.append(f"is tiny: {rgb.width} x {rgb.height} pixels")
            extrema: Any = rgb.getextrema()
            if all(low == high for low, high in extrema):
                odd.append("is of one colour")
            if self._stored and frames > 1:
                odd.append(f"is an animation of {frames} frames; only the first counts")
            if self._stored and rgb is not image:
                odd.append(f"is of mode {image.mode}, not RGB; `build` turns it into RGB")
            ready = rgb is image and frames == 1 and (drawn or not _turned(content))
            self._known[digest] = _Seen(plain_cell(rgb), odd, ready)
        if isinstance(picture, Path):
            self._known[picture] = self._known[digest]
        return self._known[digest]

    def describe(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows with pixels in place of pictures.

        One that does not decode has `broken` with the reason, one that is hardly a photo `odd` with what is odd.
        """
        for row in rows:
            yield {column: self._describe(value) if column == "image" else value for column, value in row.items()}

    def _describe(self, picture: Any) -> dict[str, Any] | None:
        if picture is None:
            return None
        try:
            seen = self._look(picture, picture_bytes(picture))
        except ValueError as error:
            return {"broken": str(error)}
        return {**seen.plain, "odd": seen.odd} if seen.odd else seen.plain
