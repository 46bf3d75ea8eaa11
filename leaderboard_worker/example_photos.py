"""The photos of the example questions that a submission's page shows, small enough for the store."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from clear_dataset import load_clear
from leaderboard_app.pages.examples import chosen_rows

LARGEST = 320  # pixels of a photo's longer side


def example_photos(log: Mapping[str, Any], meta: Mapping[str, Any], data: Path | str) -> dict[tuple[str, int], bytes]:
    """The photos of the rows that a submission's page shows, by config and row.

    Args:
        log: Of any model on these rows.
        meta: Its metadata.
        data: Folder or Hub id of the dataset.
    """
    photos = {}
    for _, keys, row in chosen_rows(log, meta):
        place = meta["tasks"][keys[0]]
        if place.get("images"):
            image = load_clear(place["config"], data)[row]["image"]
            photos[place["config"], row] = _small(image)
    return photos


def _small(image: Image.Image) -> bytes:
    image = image.convert("RGB")
    image.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if max(image.size) <= 128 else "JPEG", quality=85)
    return buffer.getvalue()
