"""What is asked of the store about one submission: where it stands in the queue, its result, its references."""

import json
import sqlite3
from dataclasses import dataclass, fields
from typing import Any

from leaderboard_app.intake.submission import Submission

from .ranking import unpressed
from .schema import Change, changes_of

# Those whose worker has not been heard of for a lease wait again, at the place where they were.
WAITING = "(state = 'queued' OR (state = 'running' AND lease_until < :now))"
NEXT_IN_QUEUE = f"SELECT * FROM submissions WHERE {WAITING} ORDER BY queued, id LIMIT 1"  # nosec B608

COMMITS = (
    'SELECT s.id, s."commit", s.method, s.forget, s.state, s.submitted, r.e, r.d, r.utility FROM submissions s '
    "LEFT JOIN results r ON r.submission = s.id WHERE s.repo_id = ? AND NOT s.hidden ORDER BY s.id"
)


class DuplicateSubmission(ValueError):
    """The same commit was sent before, or a keeper hid the same commit or the same weight files."""


@dataclass(frozen=True)
class Status:
    """Where a submission stands; times in seconds since 1970, `position` from 1, None outside the queue.

    Attributes:
        progress: How far it is, in words; empty if it is not running.
    """

    id: int
    user: str
    repo_id: str
    commit: str
    method: str
    state: str
    reason: str
    progress: str
    position: int | None
    attempts: int
    submitted: float
    started: float | None
    finished: float | None
    hidden_reason: str | None
    history: list[Change]


@dataclass(frozen=True)
class Details:
    """A submission with its result; None where there is none yet.

    Attributes:
        verdict: What a keeper's audit found in its model.
        commits: All submissions of its repository that are not hidden, the oldest first, with what was scored.
    """

    id: int
    submission: Submission
    state: str
    hidden_reason: str | None
    metric_version: str | None
    scored: float | None
    numbers: dict[str, Any] | None
    meta: dict[str, Any] | None
    provenance: dict[str, Any] | None
    log: dict[str, Any] | None
    verdict: dict[str, Any] | None
    commits: list[dict[str, Any]]


@dataclass(frozen=True)
class Reference:
    """The original or gold model of a base model and forget set."""

    kind: str
    base_model: str
    forget: str
    metric_version: str
    scored: float
    numbers: dict[str, Any]
    meta: dict[str, Any]
    log: dict[str, Any]


def row_of(db: sqlite3.Connection, number: int) -> sqlite3.Row:
    """Return a row of the submissions.

    Raises:
        ValueError: If there is none with this number.
    """
    row = db.execute("SELECT * FROM submissions WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise ValueError(f"there is no submission {number}")
    return row


def submission_of(row: sqlite3.Row) -> Submission:
    """Return what was submitted."""
    values = {field.name: row[field.name] for field in fields(Submission)}
    reported = values["self_reported"]
    return Submission(
        **{
            **values,
            "statement": bool(values["statement"]),
            "self_reported": json.loads(reported) if reported else None,
        }
    )


def metric_version(db: sqlite3.Connection) -> str:
    """Return the version of the metrics that rows must be of."""
    return db.execute("SELECT value FROM settings WHERE name = 'metric_version'").fetchone()[0]


def status(db: sqlite3.Connection, number: int, now: float) -> Status:
    """Return where a submission stands."""
    row = row_of(db, number)
    waits = row["state"] == "queued" or (row["state"] == "running" and row["lease_until"] < now)
    position = None
    if waits:
        query = f"SELECT COUNT(*) FROM submissions WHERE {WAITING} AND (queued, id) <= (:queued, :id)"  # nosec B608
        position = db.execute(query, {"now": now, "queued": row["queued"], "id": number}).fetchone()[0]
    same = ("id", "user", "repo_id", "commit", "method", "reason", "attempts", "submitted", "started", "finished")
    return Status(
        **{name: row[name] for name in same},
        state="queued" if waits else row["state"],
        progress="" if waits else row["progress"],
        position=position,
        hidden_reason=row["hidden_reason"] if row["hidden"] else None,
        history=changes_of(db, number),
    )


def details(db: sqlite3.Connection, number: int) -> Details:
    """Return all that is known of a submission."""
    row = row_of(db, number)
    result = db.execute("SELECT * FROM results WHERE submission = ?", (number,)).fetchone()
    log = db.execute("SELECT log FROM logs WHERE submission = ?", (number,)).fetchone()
    verdict = db.execute("SELECT verdict FROM verdicts WHERE submission = ?", (number,)).fetchone()
    return Details(
        id=number,
        submission=submission_of(row),
        state=row["state"],
        hidden_reason=row["hidden_reason"] if row["hidden"] else None,
        metric_version=result and result["metric_version"],
        scored=result and result["scored"],
        numbers=result and json.loads(result["numbers"]),
        meta=result and json.loads(result["meta"]),
        provenance=result and json.loads(result["provenance"]),
        log=log and unpressed(log["log"]),
        verdict=verdict and json.loads(verdict["verdict"]),
        commits=[dict(other) for other in db.execute(COMMITS, (row["repo_id"],))],
    )


def reference(db: sqlite3.Connection, kind: str, base_model: str, forget: str) -> Reference | None:
    """Return the original or gold model of a base model and forget set."""
    query = "SELECT * FROM reference_rows WHERE kind = ? AND base_model = ? AND forget = ?"
    row = db.execute(query, (kind, base_model, forget)).fetchone()
    if row is None:
        return None
    contents = {name: json.loads(row[name]) for name in ("numbers", "meta")}
    about = {name: row[name] for name in ("kind", "base_model", "forget", "metric_version", "scored")}
    return Reference(**about, **contents, log=unpressed(row["log"]))


def check_new(db: sqlite3.Connection, submission: Submission, but: int = 0) -> None:
    """Make sure that a commit does not come twice, nor what a keeper hid, whatever its state and its name.

    Args:
        db: A connection.
        submission: What is sent.
        but: Number of the submission that it is already.

    Raises:
        DuplicateSubmission: If it does.
    """
    for what, clause, values in (
        (
            "this commit",
            """repo_id = ? AND "commit" = ? AND (hidden OR state NOT IN ('failed', 'withdrawn'))""",
            (submission.repo_id, submission.commit),
        ),
        (
            "a model with the same weights",
            "hidden AND weights_hash != '' AND weights_hash = ?",
            (submission.weights_hash,),
        ),
    ):
        query = f"SELECT * FROM submissions WHERE id != ? AND {clause}"  # nosec B608
        if row := db.execute(query, (but, *values)).fetchone():
            state = f"hidden by a keeper: {row['hidden_reason']}" if row["hidden"] else row["state"]
            raise DuplicateSubmission(f"{what} is submission {row['id']} already, and {state}")
