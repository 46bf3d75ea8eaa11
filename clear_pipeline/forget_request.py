"""What is to be forgotten: a forget set of the benchmark, some people by name, or any rows; text, photos or both."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from datasets import Dataset, Image, load_dataset

from clear_dataset import load_clear
from trainers.base.rows import Rows

MODALITIES = ("text", "image", "both")
FILES = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
SPEAKS = ("caption", "question", "answer")  # columns that speak of a person


@dataclass
class ForgetRequest:
    """What is forgotten, if not all rows of `--forget`."""

    modality: str = field(default="both", metadata={"help": "Rows to forget: text, image or both."})
    retain_modality: str = field(default="both", metadata={"help": "Rows to retain: text, image or both."})
    forget_people: str | None = field(default=None, metadata={"help": "Forget these people: names with commas."})
    forget_dataset: str | None = field(default=None, metadata={"help": "Forget these rows: a file or folder."})
    held_out: str | None = field(
        default=None, metadata={"help": "scrub: folder with `people` that no model has seen."}
    )

    def __post_init__(self) -> None:
        """Checks the choices."""
        for name in ("modality", "retain_modality"):
            if getattr(self, name) not in MODALITIES:
                raise ValueError(f"{name} must be {', '.join(MODALITIES)}; not {getattr(self, name)!r}")
        if self.forget_people and self.forget_dataset:
            raise ValueError("give either forget_people or forget_dataset, not both")

    def settings(self) -> dict[str, Any]:
        """What differs from a forget set of the benchmark."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def what(self, forget: str) -> str:
        """What is forgotten, in words."""
        kind = "" if self.modality == "both" else f"the {self.modality} rows of "
        return kind + (self.forget_people or f"`{self.forget_dataset or forget}`")

    def sides(self, source: str, configs: Sequence[str], seed: int) -> dict[str, Rows]:
        """Loads all rows of a training.

        Args:
            source: Folder or Hub id of the dataset.
            configs: Those of the forget set, of its retain set and of everybody.
            seed: Draws the caption questions.
        """
        rows = self.rows(lambda config: load_clear(config, source), *configs)
        sides = {side: Rows([those], seed) for side, those in rows.items()}
        if self.held_out:  # of the same modality as what is forgotten
            unseen = {"image": ["people"], "text": ["people_text"], "both": ["people", "people_text"]}[self.modality]
            sides["held_out"] = Rows([load_clear(config, self.held_out) for config in unseen], seed)
        return sides

    def rows(self, load: Callable[[str], Dataset], forget: str, retain: str, full: str) -> dict[str, Dataset]:
        """Loads the rows of both sides.

        Args:
            load: Loads a config.
            forget: Config of the forget set.
            retain: Config of its retain set.
            full: Config of everybody, from which people and complement are taken.

        Raises:
            ValueError: If a name is nobody's or a side has no rows.
        """
        if self.forget_people:
            everybody = load(full)
            inside = about(everybody, [name.strip() for name in self.forget_people.split(",")])
            sides = {"forget": chosen(everybody, inside), "retain": chosen(everybody, [not here for here in inside])}
        elif self.forget_dataset:
            wanted, everybody = load_rows(self.forget_dataset), load(full)
            said = set(sayings(wanted))
            kept = [saying not in said for saying in sayings(everybody)]
            sides = {"forget": wanted, "retain": chosen(everybody, kept)}
        else:
            sides = {"forget": load(forget), "retain": load(retain)}
        modalities = {"forget": self.modality, "retain": self.retain_modality}
        sides = {side: of_modality(rows, modalities[side]) for side, rows in sides.items()}
        for side, rows in sides.items():
            if not len(rows):
                kind = "" if modalities[side] == "both" else f"{modalities[side]} "
                raise ValueError(f"there are no {kind}rows to {side}; choose other people, rows or modality")
        return sides


def load_rows(source: str) -> Dataset:
    """Loads rows from a file, or from a folder with one config.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If the file is of another kind.
    """
    path = Path(source)
    if path.is_file():
        if path.suffix not in FILES:
            raise ValueError(f"{source} is none of {', '.join(FILES)}")
        return load_dataset(FILES[path.suffix], data_files=source, split="train")  # type: ignore[return-value]
    if not path.is_dir():
        raise FileNotFoundError(f"forget_dataset: {source} is neither a file nor a folder")
    return load_dataset(source, split="train")  # type: ignore[return-value]


def chosen(rows: Dataset, mask: Sequence[bool]) -> Dataset:
    """The rows that a mask marks."""
    return rows.select([number for number, here in enumerate(mask) if here])


def of_modality(rows: Dataset, modality: str) -> Dataset:
    """The rows with a photo (image), without one (text), or all (both)."""
    if modality == "both":
        return rows
    pictured = [False] * len(rows)
    if "image" in rows.column_names:
        pictured = [image is not None for image in rows.cast_column("image", Image(decode=False))["image"]]
    return chosen(rows, [here == (modality == "image") for here in pictured])


def sayings(rows: Dataset) -> list[tuple[str | None, ...]]:
    """What each row says: caption, question and answer, None where it has none."""
    columns = [rows[name] if name in rows.column_names else [None] * len(rows) for name in SPEAKS]
    return list(zip(*columns, strict=True))


def about(rows: Dataset, people: Sequence[str]) -> list[bool]:
    """Which rows are about some people: by the name that a row bears, otherwise by the names that it mentions.

    Raises:
        ValueError: If no row is about one of them.
    """
    bears = rows["name"] if "name" in rows.column_names else [None] * len(rows)
    texts = [" ".join(filter(None, saying)) for saying in sayings(rows)]
    inside = [False] * len(rows)
    for person in people:
        said = re.compile(rf"\b{re.escape(person)}\b")
        found = [name == person if name else bool(said.search(text)) for name, text in zip(bears, texts, strict=True)]
        if not person or not any(found):
            raise ValueError(f"no row is about {person!r}; give names as the rows have them, with commas between")
        inside = [here or there for here, there in zip(inside, found, strict=True)]
    return inside
