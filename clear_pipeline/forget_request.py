"""Load what is to be forgotten: a forget set of the benchmark, people by name, or any rows; text, photos or both.

Fine-tuning leaves it out (gold), unlearning forgets it, and an evaluation asks about it.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset, Image, concatenate_datasets, load_dataset

from clear_data.configs import FORGET, RETAIN_OF
from clear_data.names import join_key, mentions

from .arguments import DataArguments, SidesArguments

FILES = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
SPEAKS = ("caption", "question", "answer")  # columns with text about a person


def rows_of(data: DataArguments, wanted: SidesArguments, load: Callable[[str], Dataset]) -> dict[str, Dataset]:
    """Load the rows of both sides.

    Args:
        data: What is forgotten.
        wanted: Modality of either side.
        load: Loads a config.

    Raises:
        ValueError: If nobody has a name, or a side has no rows.
    """
    if data.named:
        everybody = load(data.training_config("full"))
        inside = marked(data, everybody)
        forget = load_rows(data.forget_dataset) if data.forget_dataset else chosen(everybody, inside)
        sides = {"forget": forget, "retain": chosen(everybody, [not here for here in inside])}
    else:
        sets = {"forget": data.forget, "retain": RETAIN_OF[data.forget]}
        sides = {side: load(data.training_config(split)) for side, split in sets.items()}
    modalities = {"forget": wanted.modality, "retain": wanted.retain_modality}
    sides = {side: of_modality(rows, modalities[side]) for side, rows in sides.items()}
    for side, rows in sides.items():
        if not len(rows):
            kind = "" if modalities[side] == "both" else f"{modalities[side]} "
            raise ValueError(f"there are no {kind}rows to {side}; choose other people, rows or modality")
    return sides


def questions_about(data: DataArguments, load: Callable[[str], Dataset]) -> Callable[[str], Dataset]:
    """Return a loader of evaluation configs whose forget and retain rows are those of people or rows that are named.

    Both are taken from all rows that have wrong answers, of forget10 and of the retain people.

    Args:
        data: What is forgotten.
        load: Loads a config.

    Returns:
        Loads a config. It raises a ValueError if no row there is about what is forgotten, or none about anybody else.
    """

    @functools.cache
    def chosen_rows(config: str) -> Dataset:
        side, _, kind = config.partition("_")
        if side not in (FORGET[-1], "retain"):
            return load(config)
        pool = concatenate_datasets([load(f"{FORGET[-1]}_{kind}"), load(f"retain_{kind}")])
        try:
            inside = marked(data, pool)
        except ValueError as error:
            raise ValueError(f"of the rows with wrong answers, {error}") from error
        rows = chosen(pool, [here == (side != "retain") for here in inside])
        if not len(rows):
            raise ValueError(
                f"of the rows with wrong answers, none is to {'retain' if side == 'retain' else 'forget'}"
            )
        return rows

    return chosen_rows if data.named else load


def marked(data: DataArguments, rows: Dataset) -> list[bool]:
    """Mark the rows about the people who are named, or with the text of the rows that are.

    Raises:
        ValueError: If no row is about one of the people.
    """
    if data.forget_people:
        return about(rows, data.people)
    said = set(sayings(load_rows(str(data.forget_dataset))))
    return [saying in said for saying in sayings(rows)]


def with_names(rows: Dataset, data: DataArguments, load: Callable[[str], Dataset]) -> Dataset:
    """Return the rows to forget with a column `name`: whom each mentions, of the people who are forgotten.

    Rows that have the column already, rows that are named by themselves, and those of a forget set that names nobody
    are left as they are.
    """
    if "name" in rows.column_names or data.forget_dataset:
        return rows
    whole = None if data.people else load(data.forget)
    if whole is not None and "name" not in whole.column_names:
        return rows
    people = data.people if whole is None else sorted(set(filter(None, whole["name"])))
    texts = [" ".join(filter(None, saying)) for saying in sayings(rows)]
    names = [next((person for person in people if mentions(text, person)), None) for text in texts]
    return rows.add_column("name", names)  # type: ignore[call-arg]


def load_rows(source: str) -> Dataset:
    """Load rows from a file, or from a folder with one config.

    Raises:
        ValueError: If the file has another format.
    """
    path = Path(source)
    if path.is_file():
        if path.suffix not in FILES:
            raise ValueError(f"{source} is not one of {', '.join(FILES)}")
        return load_dataset(FILES[path.suffix], data_files=source, split="train")  # type: ignore[return-value]
    return load_dataset(source, split="train")  # type: ignore[return-value]


def chosen(rows: Dataset, mask: Sequence[bool]) -> Dataset:
    """Return the rows that a mask marks."""
    return rows.select([number for number, here in enumerate(mask) if here])


def of_modality(rows: Dataset, modality: str) -> Dataset:
    """Return the rows with a photo (image), without one (text), or all (both)."""
    if modality == "both":
        return rows
    pictured = [False] * len(rows)
    if "image" in rows.column_names:
        pictured = [image is not None for image in rows.cast_column("image", Image(decode=False))["image"]]
    return chosen(rows, [here == (modality == "image") for here in pictured])


def sayings(rows: Dataset) -> list[tuple[str | None, ...]]:
    """Return the texts of each row: caption, question and answer, None where it has none."""
    columns = [rows[name] if name in rows.column_names else [None] * len(rows) for name in SPEAKS]
    return list(zip(*columns, strict=True))


def about(rows: Dataset, people: Sequence[str]) -> list[bool]:
    """Mark the rows about some people: by the name of a row, otherwise by the names that it mentions.

    Raises:
        ValueError: If no row is about one of them.
    """
    bears = rows["name"] if "name" in rows.column_names else [None] * len(rows)
    texts = [" ".join(filter(None, saying)) for saying in sayings(rows)]
    inside = [False] * len(rows)
    for person in people:
        key = join_key(person)
        found = [
            join_key(name) == key if name else mentions(text, person) for name, text in zip(bears, texts, strict=True)
        ]
        if not person or not any(found):
            raise ValueError(f"no row is about {person!r}; give names as the rows have them, with commas between")
        inside = [here or there for here, there in zip(inside, found, strict=True)]
    return inside
