"""Photos by person, for models that recognise faces: from a config with names, or any labelled set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from datasets import Dataset
from PIL import Image

from .corpora.mini import CELEBRITY_QUESTION, NAME_QUESTION
from .source import open_config, source_path

Portraits = dict[str, list[int]]  # rows of each person


def load_portraits(
    source: str | Path,
    config: str | None,
    label_column: str = "name",
    image_column: str = "image",
    revision: str | None = None,
    split: str = "train",
) -> tuple[Dataset, Portraits]:
    """Open a set of labelled photos.

    Args:
        source: Folder that `build` wrote, or any dataset of the Hub.
        config: Its config; of the base corpus the questions for a name say who it is.
        label_column: Column with the person: a name or a number.
        image_column: Column with the photo.
        revision: Branch, tag or commit on the Hub.
        split: Split of the dataset.

    Returns:
        The rows, with the photo in the column `image`, and the rows of each person in order.

    Raises:
        ValueError: If a column is missing.
    """
    if split == "train" and config is not None:
        rows: Any = open_config(source, config, revision)
    else:
        rows = datasets.load_dataset(source_path(source), config, split=split, revision=revision)
    if label_column == "name" and "name" not in rows.column_names and "answer" in rows.column_names:
        asked = zip(rows["question"], rows["answer"], strict=True)
        names = [answer if question in (CELEBRITY_QUESTION, NAME_QUESTION) else None for question, answer in asked]
    elif label_column in rows.column_names:
        names = list(rows[label_column])
    else:
        raise ValueError(f"{source} has no column {label_column!r}; it has {', '.join(rows.column_names)}")
    if image_column not in rows.column_names:
        raise ValueError(f"{source} has no column {image_column!r}; it has {', '.join(rows.column_names)}")
    if image_column != "image":
        rows = rows.rename_column(image_column, "image")
    people: Portraits = {}
    for row, name in enumerate(names):
        if name is not None:
            people.setdefault(str(name), []).append(row)
    return rows.select_columns(["image"]), people


def write_pixels(path: Path, rows: Dataset, people: Mapping[str, list[int]], size: int, progress: Any) -> list[str]:
    """Write photos as one array of bytes [photos, size, size, 3], in the order of the people.

    Args:
        path: `.npy` file.
        rows: With the column `image`.
        people: Which rows, by person.
        size: Side in pixels; photos are scaled so that the shorter side fits, and cut at the middle.
        progress: Told how many are written of how many.

    Returns:
        The person of each photo.
    """
    owners = [person for person, numbers in people.items() for _ in numbers]
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(owners), size, size, 3))
    chosen = rows.select([number for numbers in people.values() for number in numbers])
    for place, row in enumerate(chosen):
        array[place] = square(row["image"], size)  # type: ignore[index]
        if place % 50 == 0:
            progress(place, len(owners))
    array.flush()
    return owners


def square(photo: Image.Image, size: int) -> np.ndarray:
    """Return the middle of a photo as bytes [size, size, 3]."""
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(photo.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, box=box))
