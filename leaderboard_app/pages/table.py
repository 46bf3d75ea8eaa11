"""The table as HTML: its columns, how each number is written, and its rows. All text of users is escaped.

The table of the tab Faces, the visual track's, is here too.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics import face_scores
from evaluate_metrics.columns import ABSENT, BOARD, number
from leaderboard_app.store.board import Board, BoardRow
from leaderboard_app.store.ranking import COLUMNS as SCORES

from . import render


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        key: Its name here and in a URL.
        title: Its heading.
        better: Which way is good: `↑`, `↓`, `→ gold`, or nothing.
        meaning: What it says, in a sentence.
        shown: Whether it is shown before anybody has chosen.
    """

    key: str
    title: str
    better: str
    meaning: str
    shown: bool = True


# Rank and method are always shown.
COLUMNS: tuple[Column, ...] = (
    *(Column(name, score.heading, score.arrow, score.meaning, BOARD in score.shown) for name, score in SCORES.items()),
    Column("base_model", "Base model", "", "What original, gold and the submission were made from."),
    Column("forget", "Forget set", "", "Share of the people that are to be forgotten."),
    Column("modality", "Modality", "", "Of the forget data that the method used.", False),
    Column("verified", "Verified", "", "Whether the numbers were computed here, by the metrics of today."),
    Column("date", "Date", "", "When it was scored or, if it was not yet, submitted."),
    Column("user", "Submitter", "", "Who sent it, signed in with Hugging Face.", False),
)
DEFAULT = tuple(column.title for column in COLUMNS if column.shown)


@dataclass(frozen=True)
class Line:
    """A row of the table as it is written.

    Attributes:
        kind: Its class: `ranked`, `below`, `unverified`, `original` or `gold`.
        id: Of the submission, None for a reference.
        rank: Its place, or what stands there instead.
        method: Its name.
        why: Why it has no rank; empty if it has one.
        cells: By column.
    """

    kind: str
    id: int | None
    rank: str
    method: str
    why: str
    cells: dict[str, str]


def day(seconds: float) -> str:
    """Return a date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def line_of(row: BoardRow) -> Line:
    """Return a row as it is written."""
    low, high = row.numbers["d_low"], row.numbers["d_high"]
    spread = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else ""
    cells = {name: number(row.numbers[name]) for name in SCORES}
    cells |= {
        "d": cells["d"] + spread,
        "base_model": row.base_model,
        "forget": row.forget,
        "modality": row.modality or ABSENT,
        "verified": "✓ verified" if row.verified else "self-reported" if row.self_reported else "being re-scored",
        "date": day(row.date),
        "user": row.user or ABSENT,
    }
    kind, why = _standing(row)
    return Line(kind, row.id, str(row.rank or ABSENT) if row.id else "ref", row.method, why, cells)


def _standing(row: BoardRow) -> tuple[str, str]:
    """Return the class of a row, and why it has no rank."""
    if row.id is None:
        return row.role, "reference"
    if row.rank is not None:
        return "ranked", ""
    if not row.verified:
        return "unverified", "not ranked: its numbers were not computed here" + ("" if row.self_reported else " yet")
    if row.above_gate is None:
        return "below", "not ranked: there is no original model to compare its utility with"
    return "below", "not ranked: below the utility gate"


def table_html(board: Board, titles: Sequence[str] = DEFAULT) -> str:
    """Return the table of a page.

    Args:
        board: What the store gave.
        titles: The columns to show, by their title.
    """
    columns = [column for column in COLUMNS if column.title in titles]
    lines = [line_of(row) for row in (*board.references, *board.rows)]
    return render("table.html.jinja", columns=columns, lines=lines, total=board.total)


def row_dict(row: BoardRow) -> dict[str, Any]:
    """Return a row for programs."""
    about = {name: getattr(row, name) for name in (
        "id", "role", "rank", "above_gate", "verified", "self_reported", "method", "base_model", "forget",
        "modality", "user", "repo_id", "commit", "paper", "date",
    )}  # fmt: skip
    return {**about, **row.numbers}


def faces_html(faces: Mapping[str, Any] | None) -> str:
    """Return the table of the visual track, beside the paper's numbers.

    Args:
        faces: What `read_faces` gave; None if there is no such run.
    """
    if faces is None:
        return render("message.html.jinja", text="There is no run of the visual track.")
    lines = [
        {"name": row["name"], "own": face_scores.cells(row), "paper": face_scores.paper_cells(row["paper"])}
        for row in faces["rows"]
    ]
    return render("faces.html.jinja", dials=faces["dials"], lines=lines, columns=face_scores.COLUMNS)
