"""A picture of some rows of each config: what the data look like, on one page."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from .source import config_names, open_config

ROWS, CELL, GAP = 5, 190, 12  # rows shown of a config; pixels
PHOTO, LINE, LETTERS, LINES = 96, 13, 31, 24  # pixels, pixels, letters of a line, lines of a cell
INK, FAINT, PAPER = (36, 33, 28), (120, 114, 104), (252, 251, 247)
Cell = tuple[Image.Image | None, list[tuple[str, tuple[int, int, int]]]]  # a photo, and lines with their colours


def draw_sheet(source: str | Path, output: Path, revision: str | None = None, rows: int = ROWS) -> list[str]:
    """Draw some rows of each config of a dataset.

    Args:
        source: Built folder or Hub id.
        output: PNG file; written whole or not at all.
        revision: Of a Hub id.
        rows: Rows of a config.

    Returns:
        The configs shown.

    Raises:
        ValueError: If a number of rows is asked for that cannot be shown, or the output is not PNG.
        FileNotFoundError: If there is no such folder or repository.
    """
    if rows < 1 or output.suffix != ".png":
        raise ValueError(f"rows must be 1 or more, not {rows}, and output end in .png, not {output.name!r}")
    names = config_names(source, revision)
    bands = {name: [_cell(row) for row in _rows(source, name, revision, rows)] for name in names}
    heights = {name: 2 * LINE + max(map(_height, cells)) + GAP for name, cells in bands.items()}
    small, large = ImageFont.load_default(11), ImageFont.load_default(15)
    sheet = Image.new("RGB", (GAP + rows * (CELL + GAP), GAP + sum(heights.values())), PAPER)
    pen, top = ImageDraw.Draw(sheet), GAP
    for name, cells in bands.items():
        pen.text((GAP, top), name, INK, large)
        for column, (photo, lines) in enumerate(cells):
            left, below = GAP + column * (CELL + GAP), top + 2 * LINE
            if photo is not None:
                sheet.paste(photo, (left, below))
                below += photo.height + 4
            for line, ink in lines:
                pen.text((left, below), line, ink, small)
                below += LINE
        top += heights[name]
    part = output.with_name(f"{output.name}.part")
    sheet.save(part, "PNG", optimize=True)
    part.rename(output)
    return names


def _rows(source: str | Path, name: str, revision: str | None, rows: int) -> Iterator[dict[str, Any]]:
    """Yield some rows, evenly from all; of photos and text together some of either."""
    data: Any = open_config(source, name, revision)
    pictured = data.data.column("image").is_valid().to_pylist() if "image" in data.column_names else []
    photos = [i for i, here in enumerate(pictured) if here]
    texts = [i for i, here in enumerate(pictured) if not here] if pictured else list(range(len(data)))
    of_photos = rows if not texts else -(-rows // 2) if photos else 0
    for numbers, count in ((photos, of_photos), (texts, rows - of_photos)):
        count = min(count, len(numbers))
        yield from (dict(data[numbers[k * len(numbers) // count]]) for k in range(count))


def _cell(row: dict[str, Any]) -> Cell:
    """Return the photo and texts of a row: each column's name and text; of a list the first entry and the count."""
    photo = row.pop("image", None)
    if photo is not None:
        photo = photo.convert("RGB")
        photo.thumbnail((PHOTO, PHOTO))
    lines = []
    for column, value in row.items():
        if value is not None:
            text = str(value) if not isinstance(value, list) else f"{value[0]} (1 of {len(value)})"
            lines += [(column, FAINT), *((line, INK) for line in textwrap.wrap(text, LETTERS))]
    return photo, lines[:LINES]


def _height(cell: Cell) -> int:
    photo, lines = cell
    return LINE * len(lines) + (photo.height + 4 if photo is not None else 0)
