"""The audit trail: who changed the state of which submission, when, from what to what, and why. It only grows."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A row of the trail; `at` in seconds since 1970."""

    at: float
    who: str
    before: str | None
    after: str | None
    reason: str


def write(
    db: sqlite3.Connection, number: int | None, now: float, who: str, before: str | None, after: str | None, why: str
) -> None:
    """Add a row, within the transaction of the change."""
    db.execute(
        "INSERT INTO audit (submission, at, who, from_state, to_state, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (number, now, who, before, after, why),
    )


def changes_of(db: sqlite3.Connection, number: int) -> list[Change]:
    """Return all that happened to a submission, the oldest first."""
    found = db.execute("SELECT * FROM audit WHERE submission = ? ORDER BY id", (number,))
    return [Change(row["at"], row["who"], row["from_state"], row["to_state"], row["reason"]) for row in found]


def check_quota(db: sqlite3.Connection, user: str, quota: int, since: float) -> None:
    """Make sure that a user has not used up what one may send within a day; withdrawn and failed ones count too.

    Raises:
        ValueError: If it is used up.
    """
    query = (
        "SELECT COUNT(*) FROM audit WHERE who = ? AND to_state = 'queued' AND at > ? "
        "AND (from_state IS NULL OR from_state = 'failed')"
    )
    sent = db.execute(query, (user, since)).fetchone()[0]
    if sent >= quota:
        raise ValueError(f"{user} has sent {sent} submissions within a day, and {quota} are allowed: come back later")
