"""Strangers: people whom no model was trained on, asked about as well, who stand in for a gold where there is none.

They are asked as the people to be forgotten are, in one go with them: what the model tells of strangers is the zero.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datasets import Dataset

from clear_data.names import join_key, mentions
from clear_dataset import load_clear
from clear_pipeline.forget_request import load_rows, sayings

from .people import KINDS, Asked, Subjects, halves, rows_on
from .questions_file import READERS, load_questions

CONFIGS = {"image": ("people", "people_text"), "text": ("people_text",)}
FEWEST = 2  # of one alone nobody knows how far strangers differ
PHOTO = ("name", "image", "caption")
FACT = ("name", "question", "answer", "paraphrased_answer", "perturbed_answer")
Rows = Sequence[tuple[str, Sequence[Asked]]]


def stranger_rows(source: Path, track: str, seed: int) -> Rows:
    """Load the rows about strangers: whom each is about, and the questions on it.

    Args:
        source: Folder with the configs `people` and `people_text` (`<dataset>_extra`), folder of one of them, or file.
        track: `image` or `text`.
        seed: Draws the caption questions.

    Raises:
        FileNotFoundError, ValueError: If there are no such rows, or one cannot be used.
    """
    if source.suffix in READERS:
        return [(one.person, [one]) for one in load_questions(source).asked]
    tables: list[Dataset] = [load_clear(one, source) for one in CONFIGS[track] if (source / one).is_dir()]
    if not tables and (source.is_file() or any(source.glob("*.parquet"))):
        tables = [load_rows(str(source))]
    for rows in tables:
        if not any(set(columns) <= set(rows.column_names) for columns in (PHOTO, FACT)):
            raise ValueError(
                f"--strangers {source}: rows need the columns {', '.join(PHOTO)}, or {', '.join(FACT)}; "
                f"they have {', '.join(rows.column_names)}"
            )
    if not tables:
        raise ValueError(
            f"--strangers {source}: no rows about people there; give a folder with {' or '.join(CONFIGS[track])} "
            "(DATASET_extra has them), or a file"
        )
    return [row for rows in tables for row in rows_on(rows, seed)]


def with_strangers(subjects: Subjects, rows: Rows, whole: bool = False) -> Subjects:
    """Ask about strangers as well: at most as many photos and facts of each as of any person to be forgotten.

    Args:
        subjects: The people to be forgotten.
        rows: About strangers.
        whole: All rows are asked, and not only every second one.

    Raises:
        ValueError: If there are too few, or a stranger is known: to be forgotten, or in the training rows.
    """
    kinds = [kind for kind in KINDS if subjects.of(kind)]
    asked, shown = list(subjects.asked), list(subjects.shown)
    alike = [(person, [one for one in each if one.kind in kinds]) for person, each in rows]
    for about in ("fact", "photo"):
        some = [row for row in alike if row[1] and (row[1][0].kind == "fact") == (about == "fact")]
        for side, more in zip((asked, shown), halves(some, _most(subjects, about), whole), strict=True):
            side.extend(more)
    names = list(dict.fromkeys(one.person for one in asked[len(subjects.asked) :]))
    if len(names) < FEWEST:
        raise ValueError(
            f"strangers: {len(names) or 'no'} {'person' if len(names) == 1 else 'people'} with questions of the kinds "
            f"that are asked here ({', '.join(kinds)}); give {FEWEST} or more, better eight"
        )
    _check_unknown(names, subjects)
    strangers = [one for _, each in alike for one in each]
    return replace(subjects, asked=asked, shown=shown, strangers=strangers, reference=names)


def _most(subjects: Subjects, about: str) -> int:
    """Return how many photos, or facts, the person has who has most of them."""
    both = [one for one in (*subjects.asked, *subjects.shown) if (one.kind == "fact") == (about == "fact")]
    people = [person for person, _ in {(one.person, one.example.where) for one in both}]
    return max(map(people.count, set(people)), default=0)


def _check_unknown(names: Sequence[str], subjects: Subjects) -> None:
    people = {join_key(person) for person in subjects.people}
    trained = [] if subjects.retain is None else [" ".join(filter(None, one)) for one in sayings(subjects.retain)]
    for name in names:
        if join_key(name) in people:
            raise ValueError(f"strangers: {name} is to be forgotten; strangers are people whom the model never saw")
        if any(mentions(text, name) for text in trained):
            raise ValueError(
                f"strangers: {name} is in the training rows of those who stay; strangers are people whom the model "
                "never saw"
            )
