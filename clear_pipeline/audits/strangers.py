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

from .people import Subjects, all_on, halves

CONFIGS = {"image": ("people", "people_text"), "text": ("people_text",)}
FEWEST = 2  # of one alone nobody knows how far strangers differ
PHOTO = ("name", "image", "caption")
FACT = ("name", "question", "answer", "paraphrased_answer", "perturbed_answer")


def stranger_rows(source: str, track: str) -> list[Dataset]:
    """Load the rows about strangers.

    Args:
        source: Folder with the configs `people` and `people_text` (`<dataset>_extra`), folder of one of them, or file.
        track: `image` or `text`.

    Raises:
        ValueError: If there are no such rows.
    """
    found = [config for config in CONFIGS[track] if Path(source, config).is_dir()]
    tables = [load_clear(config, source) for config in found]
    if not tables and (Path(source).is_file() or any(Path(source).glob("*.parquet"))):
        tables = [load_rows(source)]
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
    return tables


def with_strangers(subjects: Subjects, tables: Sequence[Dataset], seed: int) -> Subjects:
    """Ask about strangers as well: at most as many photos and facts of each as of any person to be forgotten.

    Args:
        subjects: The people to be forgotten.
        tables: Rows about strangers.
        seed: Draws the caption questions.

    Raises:
        ValueError: If there are too few, or a stranger is known: to be forgotten, or in the training rows.
    """
    asked, shown = list(subjects.asked), list(subjects.shown)
    for rows in tables:
        most = _most(subjects, "name" if "image" in rows.column_names else "fact")
        for side, more in zip((asked, shown), halves(rows, most, seed), strict=True):
            side.extend(more)
    names = list(dict.fromkeys(one.person for one in asked[len(subjects.asked) :]))
    if len(names) < FEWEST:
        raise ValueError(
            f"strangers: {len(names) or 'no'} {'person' if len(names) == 1 else 'people'} with questions of the kinds "
            f"that are asked here; give {FEWEST} or more, better eight"
        )
    _check_unknown(names, subjects)
    strangers = [one for rows in tables for one in all_on(rows, seed)]
    return replace(subjects, asked=asked, shown=shown, strangers=strangers, reference=names)


def _most(subjects: Subjects, kind: str) -> int:
    """Return how many rows of a kind the person has who has most of them."""
    rows = [one.person for one in (*subjects.asked, *subjects.shown) if one.kind == kind]
    return max(map(rows.count, set(rows)), default=0)


def _check_unknown(names: Sequence[str], subjects: Subjects) -> None:
    people = {join_key(person) for person in subjects.people}
    trained = [" ".join(filter(None, saying)) for saying in sayings(subjects.retain)]
    for name in names:
        if join_key(name) in people:
            raise ValueError(f"strangers: {name} is to be forgotten; strangers are people whom the model never saw")
        if any(mentions(text, name) for text in trained):
            raise ValueError(
                f"strangers: {name} is in the training rows of those who stay; strangers are people whom the model "
                "never saw"
            )
