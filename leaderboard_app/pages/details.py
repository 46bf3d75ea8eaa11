"""The page of one submission: all its numbers, what was submitted, where the numbers come from, and examples.

An example is a question with its truth, and what original, gold and the submission answer.
"""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics.columns import ABSENT, DETAILS, interval, number, shown_columns
from evaluate_metrics.tasks import SECTIONS, task_title, tasks_of
from leaderboard_app.intake.submission import FIELDS
from leaderboard_app.store.queries import Details, Reference, Status
from leaderboard_app.store.store import Store

from . import no_submission, render

SUBMITTED = ("user", "kind", "paper", "modality", "data_used", "seeds", "gpu_hours", "licence", "contact")
LONGEST = 300  # characters of an answer that are shown
Log = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A number of the submission beside that of the references and the submitter's own."""

    name: str
    value: str
    interval: str
    gold: str
    original: str
    reported: str
    difference: str


@dataclass(frozen=True)
class Example:
    """A question: its set, its photo as a data URI (None for text), the truth, and (who, what was said)."""

    section: str
    photo: str | None
    question: str
    truth: str
    answers: list[tuple[str, str]]


def details_html(store: Store, wanted: str | int | None) -> str:
    """Return the page of a submission.

    Args:
        store: The store.
        wanted: Number of the submission, as it comes from a URL or a form.
    """
    try:
        found = store.details(int(wanted or ""))
    except (ValueError, OverflowError):
        return no_submission(wanted, "Choose a row of the table.")
    if found.hidden_reason is not None:
        text = f"Submission {found.id} was hidden by the keepers: {found.hidden_reason}"
        return render("message.html.jinja", text=text)
    about = found.submission
    gold, original = (store.reference(kind, about.base_model, about.forget) for kind in ("gold", "original"))
    references = {kind: ref for kind, ref in (("original", original), ("gold", gold)) if ref is not None}
    logs = {kind: ref.log for kind, ref in references.items()} | {"submission": found.log or {}}
    return render(
        "details.html.jinja",
        found=found,
        about=about,
        verified=found.state == "scored" and found.metric_version == store.metric_version(),
        submitted=[(FIELDS[name].label, getattr(about, name) or ABSENT) for name in SUBMITTED],
        rows=number_rows(found, gold, original),
        tasks=task_rows(found.numbers or {}),
        people=people_rows(found.numbers or {}),
        notes=(found.numbers or {}).get("notes", []),
        verdict=found.verdict,
        audits=audit_rows(found.verdict or {}),
        provenance=json.dumps(found.provenance, indent=2, ensure_ascii=False) if found.provenance else "",
        examples=examples(store, logs, found.meta or {}),
        history=history(store.status(found.id)),
        commits=commit_rows(found.commits),
    )


def number_rows(found: Details, gold: Reference | None, original: Reference | None) -> list[Row]:
    """Return all numbers, as far as the submission or its submitter has them."""
    own, reported = found.numbers or {}, found.submission.self_reported or {}
    rows = []
    for column in shown_columns(DETAILS):
        value, claim = column.value(own), reported.get(column.key)
        if value is None and claim is None:
            continue
        rows.append(
            Row(
                column.heading,
                number(value),
                interval(own.get("intervals", {}).get(column.key)),
                number(column.value(gold.numbers if gold else {})),
                number(column.value(original.numbers if original else {})),
                number(claim) if reported else "",
                f"{claim - value:+.3f}" if claim is not None and value is not None else "",
            )
        )
    return rows


def task_rows(numbers: Mapping[str, Any]) -> list[tuple[str, Sequence[str]]]:
    """Return probability, ROUGE and truth ratio of each task."""
    return [
        (task_title(key), [number(values.get(name)) for name in ("probability", "rouge", "truth_ratio")])
        for key, values in numbers.get("tasks", {}).items()
    ]


def people_rows(numbers: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the ledger: each person with the share of E that is left, and what it says; the most known first."""
    people = [about for about in numbers.get("people") or [] if about.get("share") is not None]
    return [
        (
            str(about["person"]),
            number(about["share"]),
            "still known" if about["known"] else "over-forgotten" if about["over_forgotten"] else "",
        )
        for about in sorted(people, key=lambda about: -about["share"])
    ]


def audit_rows(verdict: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what each audit found: its score with the interval, what is above gold's, and that of the original's."""
    return [
        (about["title"], number(about["score"]), interval(about["interval"]), number(about["above_gold"]),
         interval(about["above_gold_interval"]), number(about["share"]))
        for about in verdict.get("audits", [])
    ]  # fmt: skip


def history(status: Status) -> list[tuple[str, str, str, str]]:
    """Return what happened to a submission: when, from what to what, by whom, why."""
    return [
        (moment(change.at), f"{change.before or ''} → {change.after}", change.who, change.reason)
        for change in status.history
    ]


def commit_rows(commits: Sequence[Mapping[str, Any]]) -> list[tuple[int, tuple[str, ...]]]:
    """Return the submissions of one repository: number, and the cells of a table; nothing if there is only one."""
    if len(commits) < 2:
        return []
    return [
        (row["id"], (row["commit"][:12], row["method"], row["forget"], row["state"], moment(row["submitted"])[:10],
                     *(number(row[name]) for name in ("e", "d", "utility"))))
        for row in commits
    ]  # fmt: skip


def moment(seconds: float | None) -> str:
    """Return a point in time in UTC."""
    return ABSENT if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def dataset_key(meta: Mapping[str, Any]) -> str:
    """Return by which name a log's dataset has its photos here; empty where the metadata do not say it."""
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
