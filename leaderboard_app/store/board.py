"""The table, a page at a time: filtered, searched, sorted and ranked by the store."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from .ranking import COLUMNS, ENDS

PAGE_SIZE = 50
SHOWN = (*COLUMNS, *ENDS)

# Which way is good -> the order in which the best come first.
ORDERS = {"higher": "{} DESC", "zero": "abs({})"}

# Name of a sorting -> how rows are ordered; what has no value comes last.
SORTS: dict[str, str] = {
    "rank": "rank IS NULL, base_model, forget, rank, NOT verified, d IS NULL, d, id",
    **{
        column.heading: f"{name} IS NULL, {ORDERS.get(column.better, '{}').format(name)}, id"
        for name, column in COLUMNS.items()
    },
    **{
        title: f"{name} COLLATE NOCASE, id"
        for title, name in (
            ("method", "method"), ("Base model", "base_model"), ("Forget set", "forget"), ("Modality", "modality"),
            ("Submitter", "user"),
        )
    },
    "newest": "date DESC, id DESC",
}  # fmt: skip


@dataclass(frozen=True)
class BoardRow:
    """A row of the table.

    Attributes:
        id: Of the submission, None for a reference.
        role: `submission`, `original` or `gold`.
        rank: Its place, None without one.
        above_gate: Whether it has kept enough, None where no original says what is enough.
        verified: Whether its numbers were computed here, by the metrics of today.
        self_reported: Whether its numbers are only the submitter's.
        date: When it was scored or, if it was not, submitted; seconds since 1970.
        numbers: By name of SHOWN, None where there is none.
        twin: The first other submission with the same weights, also one that a keeper hid; None if there is none.
        audited: How many people a keeper's audit asked about; None if there was none.
        audited_known: How many of them it found to be still known.
    """

    id: int | None
    role: str
    rank: int | None
    above_gate: bool | None
    verified: bool
    self_reported: bool
    method: str
    base_model: str
    forget: str
    modality: str
    user: str
    repo_id: str
    commit: str
    paper: str
    date: float
    numbers: dict[str, float | None]
    twin: int | None = None
    audited: int | None = None
    audited_known: int | None = None


@dataclass(frozen=True)
class Board:
    """A page of the table: its rows, the references that go with them, and how many rows and pages there are."""

    rows: list[BoardRow]
    references: list[BoardRow]
    total: int
    page: int
    pages: int


def board(
    db: sqlite3.Connection,
    forget: str = "",
    base_model: str = "",
    modality: str = "",
    verified: bool = True,
    search: str = "",
    sort: str = "rank",
    page: int = 1,
    page_size: int = PAGE_SIZE,
    descending: bool = False,
) -> Board:
    """Return a page of the table. Ranks are those of the whole table, whatever is filtered.

    Args:
        db: A connection.
        forget: Only this forget set; all if empty.
        base_model: Only this base model; all if empty.
        modality: Only this modality; all if empty.
        verified: Only rows whose numbers were computed here.
        search: Only rows with this text in method, user, repository, base model or paper.
        sort: A key of SORTS, in upper or lower case.
        page: From 1; one that is too large is the last.
        page_size: Rows of a page, at least 1.
        descending: From the other end of the sorting.

    Raises:
        ValueError: If there is no such sorting, or a page has no rows.
    """
    if page_size < 1:
        raise ValueError(f"a page needs at least one row, not {page_size}")
    known = {name.casefold(): name for name in SORTS}
    if sort.casefold() not in known:
        raise ValueError(f"unknown sorting {sort[:40]!r}; choose from {', '.join(SORTS)}")
    sort = known[sort.casefold()]
    wanted = {"forget": forget, "base_model": base_model, "modality": modality}
    clauses = [f"{name} = :{name}" for name, value in wanted.items() if value]
    clauses += ["verified"] if verified else []
    clauses += ["instr(searched, lower(:search)) > 0"] if search else []
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    values = {**wanted, "search": search}
    # The sortings are a table of this file; what comes from outside is bound.
    total = db.execute(f"SELECT COUNT(*) FROM board {where}", values).fetchone()[0]  # nosec B608
    pages = max(1, -(-total // page_size))
    page = min(max(1, page), pages)
    query = f"SELECT * FROM board {where} ORDER BY {_order(sort, descending)} LIMIT :size OFFSET :skip"  # nosec B608
    found = db.execute(query, {**values, "size": page_size, "skip": (page - 1) * page_size}).fetchall()
    return Board([_board_row(row) for row in found], _references(db, forget, base_model), total, page, pages)


def best_of_methods(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return the best ranked row of each method, base model and forget set; upper and lower case are one."""
    query = (
        "SELECT id, method, base_model, forget, min(rank) AS rank, e, d FROM board WHERE rank IS NOT NULL "
        "GROUP BY method COLLATE NOCASE, base_model, forget ORDER BY rank, id"
    )
    return [dict(row) for row in db.execute(query)]


def _order(sort: str, descending: bool) -> str:
    """Return the order of a sorting; turned around, what has no value still comes last."""
    if not descending:
        return SORTS[sort]
    turned = []
    for term in SORTS[sort].split(", "):
        if " IS NULL" in term or term.startswith("NOT "):
            turned.append(term)
        else:
            turned.append(term.removesuffix(" DESC") if term.endswith(" DESC") else f"{term} DESC")
    return ", ".join(turned)


def _board_row(row: sqlite3.Row) -> BoardRow:
    return BoardRow(
        id=row["id"], role="submission", rank=row["rank"],
        above_gate=None if row["above_gate"] is None else bool(row["above_gate"]),
        verified=bool(row["verified"]), self_reported=bool(row["self_reported"]),
        method=row["method"], base_model=row["base_model"], forget=row["forget"], modality=row["modality"],
        user=row["user"], repo_id=row["repo_id"], commit=row["commit"], paper=row["paper"],
        date=row["date"], numbers={name: row[name] for name in SHOWN}, twin=row["twin"],
        audited=row["audited"], audited_known=row["audited_known"],
    )  # fmt: skip


def _references(db: sqlite3.Connection, forget: str, base_model: str) -> list[BoardRow]:
    query = (
        "SELECT * FROM reference_rows WHERE (:forget = '' OR forget = :forget) "
        "AND (:base_model = '' OR base_model = :base_model) ORDER BY base_model, forget, kind DESC LIMIT 60"
    )
    return [
        BoardRow(
            id=None, role=row["kind"], rank=None, above_gate=None, verified=True, self_reported=False,
            method=row["kind"], base_model=row["base_model"], forget=row["forget"], modality="", user="", repo_id="",
            commit="", paper="", date=row["scored"], numbers={name: row[name] for name in SHOWN},
        )
        for row in db.execute(query, {"forget": forget, "base_model": base_model})
    ]  # fmt: skip
