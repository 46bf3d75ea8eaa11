"""The leaderboard's store: one SQLite file, in which every change of a submission's state is one transaction.

States: queued -> running -> scored | refused | failed. A failed one may be sent again, a submitter can withdraw, a
keeper can hide. Each change leaves a row in the audit trail: who, when, from, to, why. Several processes may hold the
same file: pages, workers, keepers.
"""

import sqlite3
import time
from pathlib import Path
from typing import Any

from leaderboard_app.intake.submission import Submission

from . import queries
from .board import Board, best_of_methods, board
from .keeping import Keeping, faces_of
from .queries import Details, DuplicateSubmission, Reference
from .ranking import packed, rank_again
from .schema import check_quota, reading, transaction, write_change
from .worker_queue import ATTEMPTS, Job, LeaseLost, WorkerQueue, clock, move

__all__ = ["DuplicateSubmission", "Job", "LeaseLost", "Store", "Submission"]

DAY = 86400.0  # seconds
QUOTA = 5  # submissions of a user within a day
STATES = ("queued", "running", "scored", "refused", "failed", "withdrawn")


class Store(Keeping, WorkerQueue):
    """The store in one file: what submitters and the page do, beside what workers and keepers do.

    Args:
        path: The file; made if it is missing.
        quota: Submissions of a user within a day.
        attempts: How often a submission is started before it counts as failed.

    Raises:
        ValueError: If the file is not a store, or of a newer version.
    """

    def __init__(self, path: str | Path, quota: int = QUOTA, attempts: int = ATTEMPTS) -> None:
        super().__init__(path, attempts)
        self.quota = quota

    def submit(self, submission: Submission, now: float | None = None) -> int:
        """Put a submission at the end of the queue.

        Args:
            submission: What was checked.
            now: Seconds since 1970; as in all methods here, the clock's by default.

        Returns:
            Its number.

        Raises:
            DuplicateSubmission: If its commit was sent before and did not fail, or a keeper hid it.
            ValueError: If the user has sent too many within a day.
        """
        now = clock(now)
        row = submission.as_dict()
        row["self_reported"] = packed(row["self_reported"]) if row["self_reported"] else None
        row |= {"state": "queued", "submitted": now, "queued": now}
        with transaction(self.path) as db:
            queries.check_new(db, submission)
            check_quota(db, submission.user, self.quota, now - DAY)
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join(f":{name}" for name in row)
            number = int(db.execute(f"INSERT INTO submissions ({names}) VALUES ({marks})", row).lastrowid or 0)  # nosec B608
            write_change(db, number, now, submission.user, None, "queued", "submitted")
            if submission.self_reported:
                rank_again(db, submission.base_model, submission.forget)
        return number

    def retry(self, number: int, user: str, now: float | None = None) -> None:
        """Put a failed submission at the end of the queue again, which counts for the quota.

        Raises:
            ValueError: If it has not failed, or has been sent again meanwhile, or the quota is used up.
            PermissionError: If it is another user's.
        """
        now = clock(now)
        with transaction(self.path) as db:
            row = _check_owner(db, number, user)
            if row["state"] != "failed":
                raise ValueError(f"submission {number} is {row['state']}: only a failed one can be tried again")
            _check_shown(row)
            queries.check_new(db, queries.submission_of(row), number)
            check_quota(db, user, self.quota, now - DAY)
            move(db, number, now, user, "failed", "queued", "tried again", attempts=0, queued=now, finished=None)

    def withdraw(self, number: int, user: str, now: float | None = None) -> None:
        """Take a submission back; its row and its contact vanish, and it stays in the audit trail.

        Raises:
            ValueError: If there is none with this number, it is refused or withdrawn already, or a keeper hid it.
            PermissionError: If it is another user's.
        """
        with transaction(self.path) as db:
            row = _check_owner(db, number, user)
            if row["state"] in ("refused", "withdrawn"):
                raise ValueError(f"submission {number} is {row['state']} already")
            _check_shown(row)
            reason = "withdrawn by its submitter"
            move(db, number, clock(now), user, row["state"], "withdrawn", reason, contact="")

    def status(self, number: int, now: float | None = None) -> queries.Status:
        """Return where a submission stands.

        Raises:
            ValueError: If there is none with this number.
        """
        with reading(self.path) as db:
            return queries.status(db, number, clock(now))

    def submission(self, number: int) -> Submission:
        """Return what was submitted.

        Raises:
            ValueError: If there is none with this number.
        """
        with reading(self.path) as db:
            return queries.submission_of(queries.row_of(db, number))

    def details(self, number: int) -> Details:
        """Return all that is known of a submission.

        Raises:
            ValueError: If there is none with this number.
        """
        with reading(self.path) as db:
            return queries.details(db, number)

    def reference(self, kind: str, base_model: str, forget: str) -> Reference | None:
        """Return the original or gold model of a base model and forget set, with its log; None if there is none."""
        with reading(self.path) as db:
            return queries.reference(db, kind, base_model, forget)

    def rows(self, **wanted: Any) -> Board:
        """Return a page of the table; the arguments are those of `board.board`."""
        with reading(self.path) as db:
            return board(db, **wanted)

    def best_of_methods(self) -> list[dict[str, Any]]:
        """Return the best ranked row of each method, base model and forget set."""
        with reading(self.path) as db:
            return best_of_methods(db)

    def mine(self, user: str) -> list[queries.Status]:
        """Return where a user's submissions stand, the newest first."""
        with reading(self.path) as db:
            found = db.execute("SELECT id FROM submissions WHERE user = ? ORDER BY id DESC LIMIT 100", (user,))
            return [queries.status(db, row["id"], time.time()) for row in found.fetchall()]

    def photo(self, dataset: str, config: str, row: int) -> bytes | None:
        """Return a photo that was kept, None if there is none."""
        query = 'SELECT image FROM photos WHERE dataset = ? AND config = ? AND "row" = ?'
        with reading(self.path) as db:
            found = db.execute(query, (dataset, config, row)).fetchone()
        return found and found["image"]

    def faces(self) -> dict[str, Any] | None:
        """Return the visual track's table, None if there is none."""
        with reading(self.path) as db:
            return faces_of(db)

    def groups(self) -> list[tuple[str, str]]:
        """Return the pairs of base model and forget set that have submissions or references."""
        query = "SELECT base_model, forget FROM submissions UNION SELECT base_model, forget FROM reference_rows"
        with reading(self.path) as db:
            return [tuple(row) for row in db.execute(f"{query} ORDER BY 1, 2")]

    def last_change(self) -> int:
        """Return a number that every change of the table raises: that of the newest row of the audit trail."""
        with reading(self.path) as db:
            return db.execute("SELECT coalesce(max(id), 0) FROM audit").fetchone()[0]

    def metric_version(self) -> str:
        """Return the version of the metrics that rows must be of to count as verified."""
        with reading(self.path) as db:
            return queries.metric_version(db)


def _check_shown(row: sqlite3.Row) -> None:
    if row["hidden"]:
        raise ValueError(f"submission {row['id']} was hidden by a keeper, and stays so: {row['hidden_reason']}")


def _check_owner(db: sqlite3.Connection, number: int, user: str) -> sqlite3.Row:
    row = queries.row_of(db, number)
    if row["user"] != user:
        raise PermissionError(f"submission {number} is not {user}'s")
    return row
