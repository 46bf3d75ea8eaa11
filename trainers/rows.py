"""Rows for training: a forget row and a retain row, side by side, become one batch."""

import random
from collections.abc import Sequence

import torch
from datasets import Dataset

from clear_unlearning.batches import Batch, Encoder
from clear_unlearning.tasks import Example, training_example

CACHED_PIXELS = 2**26  # decoded photos that are kept in memory: 200 MB


class Rows:
    """Training rows as examples, each with its image and question; a row's caption question is drawn by `seed`.

    Decoded photos are kept as long as they fit into `CACHED_PIXELS`: a small corpus is decoded once, not every epoch.

    Args:
        datasets: Rows of one or more configs, one after the other.
        seed: Draws the caption questions.

    Raises:
        ValueError: If there are no rows.
    """

    def __init__(self, datasets: Sequence[Dataset], seed: int) -> None:
        self.datasets = [dataset for dataset in datasets if len(dataset)]
        self.seed = seed
        self._cache: dict[int, Example] = {}
        self._pixels = 0
        if not self.datasets:
            raise ValueError("no rows to train on")

    def __len__(self) -> int:
        return sum(map(len, self.datasets))

    def __getitem__(self, index: int) -> Example:
        example = self._cache.get(index) or self._read(index)
        if index not in self._cache and self._pixels < CACHED_PIXELS:
            self._cache[index] = example
            self._pixels += example.image.width * example.image.height if example.image else 0
        return example

    def _read(self, index: int) -> Example:
        within = index
        for dataset in self.datasets:
            if within < len(dataset):
                return training_example(dataset[within], index, self.seed)
            within -= len(dataset)
        raise IndexError(f"row {index} of {len(self)}")


class SideCollator:
    """Turns row numbers into `{"forget": batch, "retain": batch}`.

    The numbers are those of the side that drives the epoch. To each forget row one retain row is drawn, another one in
    every epoch, by seed: the same in a run that was interrupted and went on.

    Args:
        encoder: Of the model that is trained.
        sides: Rows of each side, the one that drives the epoch first.
        seed: Draws the retain rows.
    """

    def __init__(self, encoder: Encoder, sides: dict[str, Rows], seed: int) -> None:
        self.encoder, self.sides, self.seed = encoder, sides, seed
        self.epoch = 0

    def __call__(self, items: Sequence[dict[str, int]]) -> dict[str, Batch]:
        """Encodes the rows of a batch; `index` tells which rows they are."""
        driven = [item["index"] for item in items]
        batch = {}
        for number, (side, rows) in enumerate(self.sides.items()):
            indices = driven if number == 0 else [self.partner(index, len(rows)) for index in driven]
            batch[side] = self.encoder.batch([rows[index] for index in indices])
            batch[side]["index"] = torch.tensor(indices)
        return batch

    def partner(self, index: int, rows: int) -> int:
        """The row of another side that goes with row `index` in this epoch."""
        return random.Random(f"{self.seed}/{self.epoch}/{index}").randrange(rows)
