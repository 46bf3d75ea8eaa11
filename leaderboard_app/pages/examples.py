"""Example questions of a submission: the truth, and what original, gold and the submission answer."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics.tasks import SECTIONS, tasks_of
from leaderboard_app.store.store import Store

LONGEST = 300  # characters of an answer that are shown
Log = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A question: its set, its photo as a data URI (None for text), the truth, and (who, what was said)."""

    section: str
    photo: str | None
    question: str
    truth: str
    answers: list[tuple[str, str]]


def dataset_key(meta: Mapping[str, Any]) -> str:
    """By which name a log's dataset has its photos here; empty where the metadata do not say it."""
    data = meta.get("dataset") or {}
    return str(data.get("fingerprint") or data.get("revision") or "")


def chosen_rows(log: Log, meta: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], int]]:
    """Return which rows are shown: evenly over the persons, whatever is answered.

    Returns:
        (title of the section, tasks, row) of each.
    """
    chosen = []
    for section in SECTIONS:
        present = tuple(key for key in tasks_of(section) if (log.get(key) or {}).get("generated_text"))
        if not present:
            continue
        persons = (meta.get("tasks", {}).get(present[0]) or {}).get("person") or []
        rows = first_of_each(len(log[present[0]]["generated_text"]), persons)
        count = min(section.rows, len(rows))
        chosen += [(section.title, present, rows[i * len(rows) // count]) for i in range(count)]
    return chosen


def first_of_each(rows: int, persons: Sequence[str | None]) -> list[int]:
    """Return the first row of each person; a row about nobody stands for itself."""
    first: dict[Any, int] = {}
    for row in range(rows):
        known = row < len(persons) and persons[row] is not None
        first.setdefault(persons[row] if known else row, row)
    return list(first.values())


def examples(store: Store, logs: Mapping[str, Log], meta: Mapping[str, Any]) -> list[Example]:
    """Collect the examples.

    Args:
        store: Has the photos.
        logs: By who answers; the submission's comes last and decides which rows there are.
        meta: Metadata of the submission's log.
    """
    log = list(logs.values())[-1]
    found = []
    for title, keys, row in chosen_rows(log, meta):
        for key in keys:
            config = (meta.get("tasks", {}).get(key) or {}).get("config")
            image = store.photo(dataset_key(meta), config, row) if config and key == keys[0] else None
            question, _, truth = log[key]["generated_text"][str(row)]
            found.append(
                Example(title, _data_uri(image) if image else None, question, truth, _answers(logs, key, row, truth))
            )  # fmt: skip
    return found


def _answers(logs: Mapping[str, Log], key: str, row: int, truth: str) -> list[tuple[str, str]]:
    answers = []
    for who, log in logs.items():
        said = ((log.get(key) or {}).get("generated_text") or {}).get(str(row))
        if said and said[2] == truth:  # a reference that was asked something else has nothing to say here
            text = said[1].strip()
            answers.append((who, text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text)} characters)"))
    return answers


def _data_uri(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
