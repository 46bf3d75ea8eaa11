"""Rows beside one another: two submissions with their numbers and answers, and each method on all base models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics.columns import DETAILS, Column, interval, number, shown_columns
from leaderboard_app.store.queries import Details
from leaderboard_app.store.store import Store

from . import no_submission, render
from .details import examples

MOST_METHODS, MOST_GROUPS = 50, 12


@dataclass(frozen=True)
class Pair:
    """A number of two submissions: its column, both as they are written, their intervals, and which is better."""

    column: Column
    values: tuple[str, str]
    intervals: tuple[str, str]
    gold: str
    better: int | None


def compare_html(store: Store, wanted: str) -> str:
    """Return the page that compares two submissions.

    Args:
        store: The store.
        wanted: Two numbers of submissions with a comma between them, as they come from a URL.
    """
    asked = [part.strip() for part in wanted.split(",") if part.strip()]
    if len(asked) != 2:
        text = "Choose two rows of the table, by the boxes before their ranks."
        return render("message.html.jinja", text=text)
    found = []
    for wished in asked:
        try:
            found.append(store.details(int(wished)))
        except (ValueError, OverflowError):
            return no_submission(wished, "")
        if found[-1].hidden_reason is not None:
            text = f"Submission {found[-1].id} was hidden by the keepers: {found[-1].hidden_reason}"
            return render("message.html.jinja", text=text)
    one, other = ((about.submission.base_model, about.submission.forget) for about in found)
    original, gold = (store.reference(kind, *one) if one == other else None for kind in ("original", "gold"))
    logs: dict[str, Mapping[str, Any]] = {about.kind: about.log for about in (original, gold) if about is not None}
    logs |= {name_of(about): about.log or {} for about in found}
    return render(
        "compare.html.jinja",
        found=[(name_of(about), about) for about in found],
        alike=one == other,
        pairs=number_pairs([about.numbers or {} for about in found], gold.numbers if gold else {}),
        examples=examples(store, logs, found[-1].meta or {}),
    )


def name_of(found: Details) -> str:
    """Return how a submission is called beside another one, maybe of the same method."""
    return f"{found.submission.method} ({found.id})"


def number_pairs(numbers: Sequence[Mapping[str, Any]], gold: Mapping[str, Any]) -> list[Pair]:
    """Return the numbers that at least one of two submissions has."""
    pairs = []
    for column in shown_columns(DETAILS):
        values = [column.value(own) for own in numbers]
        if values == [None, None]:
            continue
        intervals = [interval(own.get("intervals", {}).get(column.key)) for own in numbers]
        one, other = (number(value) for value in values)
        gold_value = column.value(gold)
        better = _better(column, values, gold_value)
        pairs.append(Pair(column, (one, other), (intervals[0], intervals[1]), number(gold_value), better))
    return pairs


def _better(column: Column, values: Sequence[float | None], gold: float | None) -> int | None:
    """Return which of two values is better; None if they are alike, or one is missing."""
    if None in values or (column.better == "gold" and gold is None):
        return None
    away = [column.away(value, gold or 0.0) for value in values if value is not None]
    return None if away[0] == away[1] else int(away[1] < away[0])


def sides_html(store: Store) -> str:
    """Return a table of all methods: the best ranked row of each, on each base model and forget set."""
    best = store.best_of_methods()
    groups = sorted({(row["base_model"], row["forget"]) for row in best})[:MOST_GROUPS]
    methods: dict[str, dict[tuple[str, str], Any]] = {}
    for row in best:
        if (row["base_model"], row["forget"]) in groups:
            methods.setdefault(row["method"].casefold(), {})[row["base_model"], row["forget"]] = row
    lines = sorted(methods.values(), key=lambda cells: (-len(cells), sum(row["rank"] for row in cells.values())))
    return render("sides.html.jinja", groups=groups, lines=lines[:MOST_METHODS], number=number)
