"""Load what is to be forgotten: a forget set of the benchmark, people by name, or any rows; text, photos or both."""

from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset, Image, load_dataset

from clear_data.names import join_key, mentions
from clear_dataset import load_clear
from trainers.base.rows import Rows

from .arguments import ForgetRequest

FILES = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
SPEAKS = ("caption", "question", "answer")  # columns with text about a person


def sides_of(request: ForgetRequest, source: str, configs: Sequence[str], seed: int) -> dict[str, Rows]:
    """Load all rows of a training.

    Args:
        request: What is forgotten.
        source: Folder or Hub id of the dataset.
        configs: The configs of the forget set, of its retain set and of everybody.
        seed: Seed of the caption questions.
    """
    rows = rows_of(request, lambda config: load_clear(config, source), *configs)
    sides = {side: Rows([those], seed) for side, those in rows.items()}
    if request.held_out:  # of the same modality as what is forgotten
        unseen = {"image": ["people"], "text": ["people_text"], "both": ["people", "people_text"]}[request.modality]
        sides["held_out"] = Rows([load_clear(config, request.held_out) for config in unseen], seed)
    return sides


def rows_of(
    request: ForgetRequest, load: Callable[[str], Dataset], forget: str, retain: str, full: str
) -> dict[str, Dataset]:
    """Load the rows of both sides.

    Args:
        request: What is forgotten.
        load: Loads a config.
        forget: Config of the forget set.
        retain: Config of its retain set.
        full: Config of everybody, from which people and complement are taken.

    Raises:
        ValueError: If nobody has a name, or a side has no rows.
    """
    if request.forget_people:
        everybody = load(full)
        inside = about(everybody, [name.strip() for name in request.forget_people.split(",")])
        sides = {"forget": chosen(everybody, inside), "retain": chosen(everybody, [not here for here in inside])}
    elif request.forget_dataset:
        wanted, everybody = load_rows(request.forget_dataset), load(full)
        said = set(sayings(wanted))
        kept = [saying not in said for saying in sayings(everybody)]
        sides = {"forget": wanted, "retain": chosen(everybody, kept)}
    else:
        sides = {"forget": load(forget), "retain": load(retain)}
    modalities = {"forget": request.modality, "retain": request.retain_modality}
    sides = {side: of_modality(rows, modalities[side]) for side, rows in sides.items()}
    for side, rows in sides.items():
        if not len(rows):
            kind = "" if modalities[side] == "both" else f"{modalities[side]} "
            raise ValueError(f"there are no {kind}rows to {side}; choose other people, rows or modality")
    return sides


def load_rows(source: str) -> Dataset:
    """Load rows from a file, or from a folder with one config.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If the file has another format.
    """
    path = Path(source)
    if path.is_file():
        if path.suffix not in FILES:
            raise ValueError(f"{source} is not one of {', '.join(FILES)}")
        return load_dataset(FILES[path.suffix], data_files=source, split="train")  # type: ignore[return-value]
    if not path.is_dir():
        raise FileNotFoundError(f"forget_dataset: {source} is neither a file nor a folder")
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
