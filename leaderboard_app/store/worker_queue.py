"""The workers' side of the store: claim a submission, hold it by heartbeats, and finish it.

A worker holds a submission by a lease. A worker that has lost its lease cannot write, so nothing is scored twice.
"""

import sqlite3
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from leaderboard_app.intake.submission import Submission

from . import queries
from .ranking import COLUMNS, columns_of, packed, pressed, rank_again
from .schema import connect, migrate, transaction, write_change

LONGEST_PROGRESS = 200
TOLD = ("e", "d", "utility")  # what the audit trail says of a result
ATTEMPTS = 3  # how often a submission is started before it counts as failed


class LeaseLost(RuntimeError):
    """The submission is no longer this worker's: the lease ran out and another took it, or it was withdrawn."""


@dataclass(frozen=True)
class Job:
    """A submission that a worker has claimed: the worker's until `lease_until`, in seconds since 1970."""

    id: int
    submission: Submission
    attempt: int
    lease_until: float
    metric_version: str


class Queue(Protocol):
    """What a worker needs of a queue: a `Store` on this machine, or the `RemoteQueue` of a page on another one."""

    def claim(self, worker: str, lease_seconds: float) -> Job | None: ...  # noqa: D102

    def heartbeat(self, number: int, worker: str, lease_seconds: float, progress: str) -> None: ...  # noqa: D102

    def finish(  # noqa: D102
        self,
        number: int,
        worker: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None: ...

    def refuse(self, number: int, worker: str, reason: str) -> None: ...  # noqa: D102

    def fail(self, number: int, worker: str, reason: str, retry: bool) -> None: ...  # noqa: D102

    def requeue_all(self, metric_version: str, who: str = ...) -> int: ...  # noqa: D102

    def metric_version(self) -> str: ...  # noqa: D102


class WorkerQueue:
    """The queue in one file.

    Args:
        path: The file; made if it is missing.
        attempts: How often a submission is started before it counts as failed.

    Raises:
        ValueError: If the file is not a store, or of a newer version.
    """

    def __init__(self, path: str | Path, attempts: int = ATTEMPTS) -> None:
        self.path, self.attempts = Path(path), attempts
        migrate(self.path)
        # As long as one connection is open, the end of another does not copy the log into the file: 3 times faster.
        kept = connect(self.path)
        kept.execute("SELECT COUNT(*) FROM settings").fetchone()
        weakref.finalize(self, kept.close)

    def claim(self, worker: str, lease_seconds: float, now: float | None = None) -> Job | None:
        """Take the oldest submission that waits, or whose worker has not been heard of for a lease.

        Args:
            worker: A name that no other process has.
            lease_seconds: For so long it is the worker's, unless a heartbeat renews it.
            now: Seconds since 1970.

        Returns:
            The job, None if none waits.
        """
        now = clock(now)
        with transaction(self.path) as db:
            while row := db.execute(queries.NEXT_IN_QUEUE, {"now": now}).fetchone():
                number, before = row["id"], row["state"]
                if row["attempts"] >= self.attempts:
                    reason = f"the worker stopped without a word {row['attempts']} times; last: {row['worker']}"
                    move(db, number, now, worker, before, "failed", reason)
                    continue
                reason = f"lease of {row['worker']} ran out" if before == "running" else ""
                move(
                    db, number, now, worker, before, "running", reason, worker=worker, started=now, finished=None,
                    lease_until=now + lease_seconds, attempts=row["attempts"] + 1,
                )  # fmt: skip
                try:
                    submission = queries.submission_of(row)
                except ValueError as error:  # by rules that are newer than the row
                    move(db, number, now, worker, "running", "failed", f"it is no valid submission any more: {error}")
                    continue
                version = queries.metric_version(db)
                return Job(number, submission, row["attempts"] + 1, now + lease_seconds, version)
        return None

    def heartbeat(
        self, number: int, worker: str, lease_seconds: float, progress: str = "", now: float | None = None
    ) -> None:
        """Renew a lease.

        Args:
            number: Of the submission.
            worker: Who holds the lease.
            lease_seconds: For so long it is the worker's again.
            progress: How far the submission is, in words; at most LONGEST_PROGRESS characters are kept.
            now: Seconds since 1970.

        Raises:
            LeaseLost: If the submission is no longer this worker's.
        """
        with transaction(self.path) as db:
            check_lease(db, number, worker)
            until = clock(now) + lease_seconds
            values = (until, progress[:LONGEST_PROGRESS], number)
            db.execute("UPDATE submissions SET lease_until = ?, progress = ? WHERE id = ?", values)

    def finish(
        self,
        number: int,
        worker: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        provenance: Mapping[str, Any],
        now: float | None = None,
    ) -> None:
        """Write a result and set the submission to scored, in one transaction.

        Args:
            number: Of the submission.
            worker: Who holds the lease.
            numbers: What `score_log` gives, with `hidden_gap` and what else there is.
            log: The log.
            meta: Its metadata.
            provenance: Versions, settings, times, lineage: what a reader needs to believe it. Its `weights` are the
                digest of the decoded weights, by which rows with the same ones are marked.
            now: Seconds since 1970.

        Raises:
            LeaseLost: If the submission is no longer this worker's: then nothing is written.
            ValueError: If a number is NaN or infinite.
        """
        now = clock(now)
        row = {"submission": number, "scored": now, **columns_of(numbers)}
        row |= {"numbers": packed(numbers), "meta": packed(meta), "provenance": packed(provenance)}
        row["weights"] = str(provenance.get("weights", ""))
        content = pressed(log)
        with transaction(self.path) as db:
            check_lease(db, number, worker)
            version = queries.metric_version(db)
            replace(db, "results", {**row, "metric_version": version})
            replace(db, "logs", {"submission": number, "log": content})
            # A later result takes the place of this one, and leaves it to the audit trail.
            told = [f"{COLUMNS[name].title} {row[name]:.3f}" for name in TOLD if row[name] is not None]
            told.append(f"metrics of version {version}")
            move(db, number, now, worker, "running", "scored", "", told=", ".join(told))

    def refuse(self, number: int, worker: str, reason: str, now: float | None = None) -> None:
        """End a submission that breaks a rule; the reason is shown.

        Raises:
            LeaseLost: If the submission is no longer this worker's.
        """
        with transaction(self.path) as db:
            check_lease(db, number, worker)
            move(db, number, clock(now), worker, "running", "refused", reason)

    def fail(self, number: int, worker: str, reason: str, retry: bool, now: float | None = None) -> None:
        """Note that scoring did not come to an end.

        Args:
            number: Of the submission.
            worker: Who holds the lease.
            reason: Why; it is shown.
            retry: Whether it goes back to its place in the queue, as long as it has attempts left.
            now: Seconds since 1970.

        Raises:
            LeaseLost: If the submission is no longer this worker's.
        """
        with transaction(self.path) as db:
            attempts = check_lease(db, number, worker)["attempts"]
            state = "queued" if retry and attempts < self.attempts else "failed"
            move(db, number, clock(now), worker, "running", state, reason)


def clock(now: float | None) -> float:
    """Return the given time, or that of the clock."""
    return time.time() if now is None else now


def move(
    db: sqlite3.Connection,
    number: int,
    now: float,
    who: str,
    before: str,
    after: str,
    reason: str,
    ranked: bool = True,
    told: str = "",
    **changes: Any,
) -> None:
    """Change a state, and record it. Outside `running` nobody has a lease.

    Args:
        db: A connection in a transaction.
        number: Of the submission.
        now: Seconds since 1970.
        who: Changes it.
        before: The state that it has.
        after: The state that it gets.
        reason: Why.
        ranked: Whether the table is brought up to date, where this can change it.
        told: What the audit trail says instead of the reason.
        changes: Further columns.
    """
    ended = {} if after in ("queued", "running") else {"finished": now}
    row = {"state": after, "reason": reason, "worker": None, "lease_until": None, "progress": "", **ended, **changes}
    sets = ", ".join(f"{name} = :{name}" for name in row)
    done = db.execute(f"UPDATE submissions SET {sets} WHERE id = :id AND state = :before",  # nosec B608
                      {**row, "id": number, "before": before})  # fmt: skip
    if done.rowcount != 1:
        raise ValueError(f"submission {number} is not {before}")
    write_change(db, number, now, who, before, after, told or reason)
    if ranked and {before, after} != {"queued", "running"}:
        about = queries.row_of(db, number)
        rank_again(db, about["base_model"], about["forget"])


def check_lease(db: sqlite3.Connection, number: int, worker: str) -> sqlite3.Row:
    """Check that a worker has a submission: a lease that ran out counts until another worker takes it."""
    row = queries.row_of(db, number)
    if row["state"] != "running" or row["worker"] != worker:
        holder = f", of {row['worker']}" if row["worker"] else ""
        raise LeaseLost(f"submission {number} is {row['state']}{holder}, and no longer {worker}'s")
    return row


def replace(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    """Write a row, replacing one with the same key."""
    marks = ", ".join(f":{name}" for name in row)
    db.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({marks})", row)  # nosec B608
