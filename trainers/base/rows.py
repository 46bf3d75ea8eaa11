"""Rows for training: a forget row and what is drawn for it become one batch."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

import torch
from datasets import Dataset, Image

from clear_unlearning.batches import IGNORE, Batch, Encoder
from clear_unlearning.tasks import CAPTION_QUESTIONS, Example, training_example

CACHED_PIXELS = 2**26  # decoded photos that are kept in memory: 200 MB


class Rows:
    """Training rows as examples, each with its image and question; the question of a caption is drawn in every epoch.

    A model that reads a photo with the same question in every epoch learns the pair instead of the photo.

    Decoded photos are kept as long as they fit into `CACHED_PIXELS`: a small corpus is decoded once, not every epoch.

    Args:
        datasets: Rows of one or more configs, one after the other.
        seed: Draws the questions.
        forms: Questions that mean the same: the question of a row that has one of them is drawn in every epoch, too.

    Raises:
        ValueError: If there are no rows.
    """

    def __init__(self, datasets: Sequence[Dataset], seed: int, forms: Sequence[str] = ()) -> None:
        self.datasets = [dataset for dataset in datasets if len(dataset)]
        self.seed, self.forms = seed, tuple(forms)
        self._cache: dict[int, tuple[Example, Sequence[str]]] = {}
        self._pixels = 0
        if not self.datasets:
            raise ValueError("no rows to train on")
        self._texts = [
            dataset.select_columns([name for name in dataset.column_names if name != "image"])
            for dataset in self.datasets
        ]

    def __len__(self) -> int:
        return sum(map(len, self.datasets))

    def __getitem__(self, index: int) -> Example:
        """Return a row with its question in the first epoch."""
        return self.drawn(index, 0)[1]

    def drawn(self, index: int, epoch: int) -> tuple[int, Example]:
        """Return a row with its question in an epoch, and a key: the same key, the same row and question."""
        example, forms = self._cache.get(index) or self._read(index)
        if index not in self._cache and self._pixels < CACHED_PIXELS:
            self._cache[index] = example, forms
            self._pixels += example.image.width * example.image.height if example.image else 0
        key = index * max(len(CAPTION_QUESTIONS), len(self.forms))
        if not forms:
            return key, example
        number = random.Random(f"{self.seed}/{epoch}/{index}/question").randrange(len(forms))
        return key + number, replace(example, question=forms[number])

    def pictured(self) -> bool:
        """Return whether any row has a photo."""
        for dataset in self.datasets:
            if "image" in dataset.column_names:
                photos: Any = dataset.select_columns(["image"]).cast_column("image", Image(decode=False))
                if any(row["image"] is not None for row in photos):
                    return True
        return False

    def answer(self, index: int) -> str:
        """Return the answer of a row, without decoding its photo."""
        return self._read(index, self._texts)[0].answer

    def _read(self, index: int, datasets: Sequence[Dataset] | None = None) -> tuple[Example, Sequence[str]]:
        """Return a row, and the questions of which one is drawn; none if it keeps its own."""
        within = index
        for dataset in datasets or self.datasets:
            if within < len(dataset):
                row = dataset[within]
                asked = self.forms if row.get("question") in self.forms else ()
                return training_example(row, index, self.seed), asked if row.get("answer") else CAPTION_QUESTIONS
            within -= len(dataset)
        raise IndexError(f"row {index} of {len(self)}")


Drawn = list[tuple[int, Example]]  # examples with their keys: the same key, the same example
Draw = Callable[[int, int], Drawn]  # from a row of the side that drives the epoch, and an epoch


def rows_themselves(rows: Rows) -> Draw:
    """Draw the row itself."""
    return lambda index, epoch: [rows.drawn(index, epoch)]


def partner_rows(rows: Rows, seed: int, count: int = 1) -> Draw:
    """Draw `count` rows of another side for each row, other ones in every epoch."""

    def draw(index: int, epoch: int) -> Drawn:
        dice = random.Random(f"{seed}/{epoch}/{index}")
        return [rows.drawn(dice.randrange(len(rows)), epoch) for _ in range(count)]

    return draw


def refused_rows(rows: Rows, texts: Sequence[str], photos: Sequence[str], seed: int) -> Draw:
    """Draw the row's question, answered by a refusal, another one in every epoch.

    Args:
        rows: Rows with the questions.
        texts: Refusals of text questions.
        photos: Refusals of questions about a photo.
        seed: Seed of the refusals.
    """
    most = max(len(texts), len(photos))

    def draw(index: int, epoch: int) -> Drawn:
        key, example = rows.drawn(index, epoch)
        answers = photos if example.image else texts
        number = random.Random(f"{seed}/{epoch}/{index}/refusal").randrange(len(answers))
        return [(key * most + number, replace(example, answer=answers[number]))]

    return draw


def answered_otherwise(rows: Rows, source: Rows, count: int, seed: int) -> Draw:
    """Draw the row's question `count` times, each time with the answer of a row of `source`, never with its own.

    Raises:
        ValueError: If `source` has no answer but the row's own.
    """

    def draw(index: int, epoch: int) -> Drawn:
        dice = random.Random(f"{seed}/{epoch}/{index}/answers")
        own = rows.answer(index)
        numbers = dice.sample(range(len(source)), len(source))
        others = list(islice((n for n in numbers if source.answer(n) != own), count))
        if not others:
            raise ValueError(f"row {index}: there is no other answer than {own!r} to draw; more rows are needed")
        drawn = (others * count)[:count]
        key, example = rows.drawn(index, epoch)
        return [(key, replace(example, answer=source.answer(number))) for number in drawn]

    return draw


class SideCollator:
    """Turn row numbers into `{"forget": batch, "retain": batch}`.

    What is drawn for a row depends only on seed, epoch and row: it is the same in a resumed run, and in batches of
    any size.

    Args:
        encoder: Encoder of the model in training.
        draws: The draw of each side.
    """

    def __init__(self, encoder: Encoder, draws: dict[str, Draw]) -> None:
        self.encoder, self.draws = encoder, draws
        self.epoch = 0

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Batch]:
        """Encode the rows of a step, without those that only fill a batch unless there are no others."""
        real = [item for item in items if not item.get("filler")]
        sides: dict[str, Drawn] = {}
        for item in real or items[:1]:
            for side, drawn in self.draw(item, self.epoch).items():
                sides.setdefault(side, []).extend(drawn)
        if real:
            return {side: self.encode(drawn) for side, drawn in sides.items()}
        # A process must take part in every step; without a photo it uses no weight that the others do not.
        blank = {side: [(key, replace(row, image=None)) for key, row in drawn] for side, drawn in sides.items()}
        batch = {side: self.encode(drawn) for side, drawn in blank.items()}
        for side in batch.values():
            side["labels"].fill_(IGNORE)
        return batch

    def draw(self, item: dict[str, Any], epoch: int) -> dict[str, Drawn]:
        """Return the examples of each side that belong to an item of the training set."""
        return {side: draw(item["index"], epoch) for side, draw in self.draws.items()}

    def examples(self, items: Iterable[Any], epochs: int, sides: Iterable[str]) -> Iterator[tuple[str, int, Example]]:
        """Yield what is drawn in the first epochs for some sides: side, key and example, with repetitions."""
        for epoch, item in product(range(epochs), items):
            drawn = self.draw(item, epoch)
            yield from ((side, key, example) for side in sides if side in drawn for key, example in drawn[side])

    def encode(self, drawn: Drawn) -> Batch:
        """Encode examples; `index` keeps their keys."""
        batch = self.encoder.batch([example for _, example in drawn])
        batch["index"] = torch.tensor([key for key, _ in drawn])
        return batch
