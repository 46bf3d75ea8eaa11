"""The table as HTML: its columns, how each number is written, and its rows. All text of users is escaped.

The table of the tab Faces, the visual track's, is here too.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics import face_scores
from evaluate_metrics.columns import ABSENT, BOARD, number
from leaderboard_app.store.board import SORTS, Board, BoardRow
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

    @property
    def way(self) -> str:
        """Which way is good, in words."""
        return {"↑": "higher is better", "↓": "lower is better", "→ 0": "near 0 is good"}.get(
            self.better, "near gold is good" if self.better else ""
        )

    @property
    def sort(self) -> str:
        """The name of its sorting; empty without one."""
        name = {"method": "method", "date": "newest"}.get(self.key, self.title)
        return name if name in SORTS else ""


RANK = Column("rank", "Rank", "", "Place among the rows of the same base model and forget set.")
METHOD = Column("method", "Method", "", "What made the model forget, and who sent it.")
# Rank and method are always shown. What p says depends on the number of questions: D comes first.
COLUMNS: tuple[Column, ...] = (
    *(
        Column(name, score.heading, score.arrow, score.meaning, BOARD in score.shown and name != "p")
        for name, score in SCORES.items()
    ),
    Column("base_model", "Base model", "", "What original, gold and the submission were made from.", False),
    Column("forget", "Forget set", "", "Share of the people that are to be forgotten.", False),
    Column("modality", "Modality", "", "Of the forget data that the method used.", False),
    Column("verified", "Verified", "", "Whether the numbers were computed here, by the metrics of today.", False),
    Column("date", "Date", "", "When it was scored or, if it was not yet, submitted.", False),
    Column("user", "Submitter", "", "Who sent it, signed in with Hugging Face.", False),
)
GROUP = ("base_model", "forget")  # rows are compared within these
REFERENCES = ("original", "gold")
BARS = ("e", "d")  # distances from gold
DEFAULT = tuple(column.title for column in COLUMNS if column.shown)


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        column: The column.
        direction: `ascending` or `descending` if the table is sorted by it, else empty.
        click: The sorting that a click chooses; empty if there is none.
    """

    column: Column
    direction: str
    click: str


@dataclass(frozen=True)
class Bar:
    """A distance from gold and its 95 % interval, in per cent of the way from 0 to 1; None without an interval."""

    value: float
    low: float | None
    high: float | None
    said: str


@dataclass(frozen=True)
class Badge:
    """A mark beside a method: its class, its short text, and what it means."""

    kind: str
    text: str
    meaning: str


@dataclass(frozen=True)
class Line:
    """A row of the table as it is written.

    Attributes:
        kind: Its class: `ranked`, `below`, `unverified`, `original` or `gold`.
        id: Of the submission, None for a reference.
        rank: Its place, or what stands there instead.
        method: Its name.
        about: What tells it from other rows of this method.
        why: Why it has no rank; empty if it has one.
        badges: Its badges.
        bars: Its distances from gold, by column.
        cells: By column.
    """

    kind: str
    id: int | None
    rank: str
    method: str
    about: str
    why: str
    badges: list[Badge]
    bars: dict[str, Bar]
    cells: dict[str, str]


def day(seconds: float) -> str:
    """Return a date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def line_of(row: BoardRow, shared: Sequence[str] = ()) -> Line:
    """Return a row as it is written; what all rows share is not said of each."""
    cells = {name: number(row.numbers[name]) for name in SCORES}
    cells["hidden_gap"] = _with_interval(row, "hidden_gap")
    cells |= {
        "base_model": row.base_model,
        "forget": row.forget,
        "modality": row.modality or ABSENT,
        "verified": "verified" if row.verified else "self-reported" if row.self_reported else "being re-scored",
        "date": day(row.date),
        "user": row.user or ABSENT,
    }
    kind, why = _standing(row)
    rank = str(row.rank or ABSENT) if row.id else "ref"
    about = [getattr(row, name).rpartition("/")[2] for name in GROUP if name not in shared]
    bars = {name: bar for name in BARS if (bar := _bar(row, name))}
    return Line(
        kind, row.id, rank, row.method, " · ".join(filter(None, [*about, row.user])), why, _badges(row), bars, cells
    )


def _with_interval(row: BoardRow, name: str) -> str:
    value, low, high = (row.numbers[key] for key in (name, f"{name}_low", f"{name}_high"))
    return number(value) + (f" ({low:+.2f} to {high:+.2f})" if low is not None and high is not None else "")


def _bar(row: BoardRow, name: str) -> Bar | None:
    """Return a distance as a bar: as far from gold below 0 as above."""

    def share(value: float) -> float:
        return round(100 * min(1.0, value), 1)

    value, low, high = (row.numbers[key] for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return None
    if low is None or high is None:
        return Bar(share(abs(value)), None, None, "")
    nearest, farthest = sorted((abs(low), abs(high)))
    said = f"95 % interval {low:.2f} to {high:.2f}"
    return Bar(share(abs(value)), share(0.0 if low <= 0 <= high else nearest), share(farthest), said)


def _badges(row: BoardRow) -> list[Badge]:
    if row.id is None:
        return []
    if row.verified:
        badges = [Badge("good", "✓ verified", "computed here, by the metrics of today")]
    elif row.self_reported:
        badges = [Badge("doubt", "self-reported", "only the submitter's numbers")]
    else:
        badges = [Badge("doubt", "being re-scored", "numbers of an older version of the metrics")]
    if row.twin is not None:
        badges.append(Badge("doubt", f"weights of {row.twin}", f"submission {row.twin} has the very same weights"))
    if row.audited is not None:
        meaning = f"a keeper's audit found {row.audited_known} of {row.audited} people still known: see its page"
        text = f"audited: {row.audited_known} of {row.audited} known"
        badges.append(Badge("doubt" if row.audited_known else "plain", text, meaning))
    gap, low, d, high = (row.numbers[name] for name in ("hidden_gap", "hidden_gap_low", "d", "d_high"))
    if gap is not None:
        is_wide = low > 0 if low is not None else d is not None and high is not None and d + gap > high
        why = ": above the 95 % interval of D" if low is None else ": more than chance"
        meaning = "D on questions that no submitter has seen, minus D" + (why if is_wide else "")
        badges.append(Badge("doubt" if is_wide else "plain", f"hidden {gap:+.2f}", meaning))
    return badges


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


def table_html(board: Board, titles: Sequence[str] = DEFAULT, sort: str = "rank", turned: bool = False) -> str:
    """Return the table of a page.

    Args:
        board: What the store gave.
        titles: The columns to show, by their title.
        sort: The sorting of its rows, a key of SORTS.
        turned: Whether they are sorted the other way around.
    """
    heads = [_head(RANK, "rank", sort, turned), _head(METHOD, "method", sort, turned)]
    heads += [_head(column, column.sort, sort, turned) for column in COLUMNS if column.title in titles]
    shared = [name for name in GROUP if len({getattr(row, name) for row in board.rows}) == 1]
    # Of several groups the references would stand before all rows, far from those that they belong to.
    references = board.references if len(board.references) <= len(REFERENCES) else []
    lines = [line_of(row, shared) for row in (*references, *board.rows)]
    return render(
        "table.html.jinja", heads=heads, lines=lines, total=board.total, apart=references != board.references
    )


def _head(column: Column, name: str, sort: str, turned: bool) -> Head:
    """Return the head of a column; a click on the one that sorts turns the rows around."""
    if name != sort:
        return Head(column, "", name)
    falls = SORTS[name].partition(" IS NULL, ")[2].startswith(f"{column.key} DESC") or name == "newest"
    return Head(column, "descending" if falls != turned else "ascending", name if turned else f"-{name}")


def row_dict(row: BoardRow) -> dict[str, Any]:
    """Return a row for programs."""
    about = {name: getattr(row, name) for name in (
        "id", "role", "rank", "above_gate", "verified", "self_reported", "method", "base_model", "forget",
        "modality", "user", "repo_id", "commit", "paper", "date", "twin",
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
