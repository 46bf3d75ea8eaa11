"""The page of one submission: all its numbers, what was submitted, where the numbers come from, and examples."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics.columns import ABSENT, DETAILS, number, shown_columns
from evaluate_metrics.tasks import task_title
from leaderboard_app.intake.submission import FIELDS
from leaderboard_app.store.queries import Details, Reference, Status
from leaderboard_app.store.store import Store

from .examples import examples
from .html import render

SUBMITTED = ("user", "kind", "paper", "modality", "data_used", "seeds", "gpu_hours", "licence", "contact")


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


def details_html(store: Store, wanted: str | int | None) -> str:
    """Return the page of a submission.

    Args:
        store: The store.
        wanted: Number of the submission, as it comes from a URL or a form.
    """
    try:
        found = store.details(int(wanted or ""))
    except (ValueError, OverflowError):
        text = "Choose a row of the table." if not wanted else f"There is no submission {str(wanted)[:20]}."
        return render("message.html.jinja", text=text)
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
        notes=(found.numbers or {}).get("notes", []),
        provenance=json.dumps(found.provenance, indent=2, ensure_ascii=False) if found.provenance else "",
        examples=examples(store, logs, found.meta or {}),
        history=history(store.status(found.id)),
    )


def number_rows(found: Details, gold: Reference | None, original: Reference | None) -> list[Row]:
    """Return all numbers, as far as the submission or its submitter has them."""
    own, reported = found.numbers or {}, found.submission.self_reported or {}
    rows = []
    for column in shown_columns(DETAILS):
        value, claim = column.value(own), reported.get(column.key)
        if value is None and claim is None:
            continue
        interval = own.get("intervals", {}).get(column.key)
        rows.append(
            Row(
                column.heading,
                number(value),
                f"{number(interval[0])} to {number(interval[1])}" if interval else "",
                number(column.value(gold.numbers if gold else {})),
                number(column.value(original.numbers if original else {})),
                number(claim) if reported else "",
                f"{claim - value:+.3f}" if claim is not None and value is not None else "",
            )
        )
    return rows


def task_rows(numbers: Mapping[str, Any]) -> list[tuple[str, Sequence[str]]]:
    """Probability, ROUGE and truth ratio of each task."""
    return [
        (task_title(key), [number(values.get(name)) for name in ("probability", "rouge", "truth_ratio")])
        for key, values in numbers.get("tasks", {}).items()
    ]


def history(status: Status) -> list[tuple[str, str, str, str]]:
    """Return what happened to a submission: when, from what to what, by whom, why."""
    return [
        (moment(change.at), f"{change.before or ''} → {change.after}", change.who, change.reason)
        for change in status.history
    ]


def moment(seconds: float | None) -> str:
    """Return a point in time in UTC."""
    return ABSENT if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
