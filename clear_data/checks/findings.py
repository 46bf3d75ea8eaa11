"""What a check sees of a dataset, and what it finds: places in it, by config, row and column."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import Features

from clear_data.configs import CONFIGS, EXTRA_CONFIGS, RETAIN_OF, TEXT_CONFIGS, Config

Row = Mapping[str, Any]
PHOTOS, TEXT, EXTRA = "photos", "text", "extra"
TABLES: dict[str, dict[str, Config]] = {PHOTOS: CONFIGS, TEXT: TEXT_CONFIGS, EXTRA: EXTRA_CONFIGS}
# What makes a row the same row in another config.
IDENTITY = {PHOTOS: ("image", "caption", "name"), TEXT: ("question", "answer", "name")}
REAL = ("real_faces", "real_world")


@dataclass(frozen=True)
class Finding:
    """Something that does not hold, and where; row and column are None where it is about all of them."""

    config: str
    row: int | None
    column: str | None
    problem: str

    def __str__(self) -> str:
        row = "" if self.row is None else f", row {self.row}"
        column = "" if self.column is None else f", {self.column}"
        return f"{self.config}{row}{column}: {self.problem}"


@dataclass(frozen=True)
class Rows:
    """A dataset in memory, with pixels (see `Pictures.describe`) in place of its pictures.

    Attributes:
        kind: PHOTOS, TEXT or EXTRA.
        configs: Rows by config.
        features: Columns by config.
        meta: Its `dataset_meta.json`, None if it has none.
        published: Whether it must have the published numbers of rows.
        beside: The `clear_extra` of a dataset with photos, or the dataset of a `clear_extra`.
    """

    kind: str
    configs: dict[str, list[dict[str, Any]]]
    features: dict[str, Features]
    meta: Mapping[str, Any] | None = None
    published: bool = False
    beside: "Rows | None" = field(default=None, repr=False)

    @property
    def table(self) -> dict[str, Config]:
        """The configs that it should have."""
        return TABLES[self.kind]

    def pairs(self, suffix: str = "") -> Iterator[tuple[str, str]]:
        """Return the forget and retain configs that are there."""
        for forget, retain in RETAIN_OF.items():
            if {forget + suffix, retain + suffix} <= self.configs.keys():
                yield forget + suffix, retain + suffix


def row_key(row: Row, columns: Sequence[str]) -> str:
    """Return some cells of a row, as something to compare by."""
    return json.dumps([row.get(column) for column in columns], sort_keys=True, ensure_ascii=False)


def strangers(rows: Iterable[Row], known: Sequence[Row], columns: Sequence[str]) -> Iterator[tuple[int, str | None]]:
    """Yield rows that are not among the known ones, and the column in which they differ, if there is only one.

    A row that is there more often than it is known is a stranger too, with no such column.
    """
    remaining = Counter(row_key(row, columns) for row in known)
    present = set(remaining)
    without: dict[str, set[str]] = {}  # a column -> what the known rows are but for it
    for number, row in enumerate(rows):
        key = row_key(row, columns)
        remaining[key] -= 1
        if remaining[key] < 0:
            for column in columns if not without else ():
                without[column] = {row_key(other, [c for c in columns if c != column]) for other in known}
            near = (c for c in columns if row_key(row, [d for d in columns if d != c]) in without[c])
            yield number, None if key in present else next(near, None)


def people_of(rows: Iterable[Row]) -> set[str]:
    """Return the names in rows."""
    return {row["name"] for row in rows if row.get("name")}
