"""Rows for training, and what is drawn for each: itself, rows of another side, refusals, other answers."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset, Image

from clear_unlearning.tasks import CAPTION_QUESTIONS, Example, training_example

CACHED_PIXELS = 2**26  # decoded photos that are kept in memory: 200 MB


class Rows:
    """Training rows as examples, each with its image and question; the question of a caption is drawn in every epoch.

    A model that reads a photo with the same question in every epoch learns the pair instead of the photo.

    Decoded photos are kept as long as they fit into `CACHED_PIXELS`: a small corpus is decoded once, not every epoch.

    Args:
        datasets: Rows of one or more configs, one after the other.
        seed: Draws the questions.
        forms: Questions that mean the same: a row that has one of them gets one of them in every epoch.

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


def load_refusals(file: str | None = None) -> tuple[list[str], list[str]]:
    """Read the refusals of text questions and of questions about a photo.

    Args:
        file: Plain text, a refusal a line, for both kinds; by default our own lists, a hundred of each kind.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no refusal.
    """
    texts, photos = (load_lines(file, f"refusals_{kind}.txt", "refusal") for kind in ("text", "photo"))
    return texts, photos


def load_lines(file: str | None, own: str, what: str) -> list[str]:
    """Read a list of sentences or names.

    Args:
        file: Plain text, one a line; None for our own.
        own: Name of our own file, in this folder.
        what: What a line is, for the error.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no line.
    """
    path = Path(file) if file is not None else Path(__file__).with_name(own)
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} holds no {what}; write one on each line")
    return lines


def refused_rows(draw: Draw, texts: Sequence[str], photos: Sequence[str], seed: int) -> Draw:
    """Draw the questions of what another draw yields, answered by refusals, other ones in every epoch.

    Args:
        draw: Draws the rows with the questions.
        texts: Refusals of text questions.
        photos: Refusals of questions about a photo.
        seed: Seed of the refusals.
    """
    most = max(len(texts), len(photos))

    def refuse(index: int, epoch: int) -> Drawn:
        dice = random.Random(f"{seed}/{epoch}/{index}/refusal")
        refused = []
        for key, example in draw(index, epoch):
            answers = photos if example.image else texts
            number = dice.randrange(len(answers))
            refused.append((key * most + number, replace(example, answer=answers[number])))
        return refused

    return refuse


def refusing_rows(rows: Rows, file: str | None, seed: int) -> Draw:
    """Draw the row itself, answered by a refusal of a file, or of our own lists (`load_refusals`, `refused_rows`)."""
    return refused_rows(rows_themselves(rows), *load_refusals(file), seed)


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
