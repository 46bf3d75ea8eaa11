"""What keepers do with the store: hide rows, keep audits, references and photos, have all scored again."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import queries
from .ranking import columns_of, packed, pressed, rank_again, rank_all
from .schema import transaction, write_change
from .worker_queue import clock, move, replace

FACES = "faces"  # setting that holds the visual track's table


class Keeping:
    """The part of the store for keepers."""

    path: Path

    def hide(self, number: int, keeper: str, reason: str, hidden: bool = True, now: float | None = None) -> None:
        """Take a row out of the table, or with `hidden=False` back into it; whether `keeper` may, the caller knows.

        Raises:
            ValueError: If there is none with this number, or no reason.
        """
        if not reason.strip():
            raise ValueError("hiding a row needs a reason: it is shown on the submission's page")
        with transaction(self.path) as db:
            row = queries.row_of(db, number)
            change = (int(hidden), reason if hidden else "", number)
            db.execute("UPDATE submissions SET hidden = ?, hidden_reason = ? WHERE id = ?", change)
            state, other = (row["state"], "hidden") if hidden else ("hidden", row["state"])
            write_change(db, number, clock(now), keeper, state, other, reason)
            rank_again(db, row["base_model"], row["forget"])

    def add_verdict(
        self, number: int, keeper: str, verdict: Mapping[str, Any], weights: str, now: float | None = None
    ) -> None:
        """Keep what an audit of a submission's model has found; an older one is replaced.

        Args:
            number: Of the submission.
            keeper: Who ran the audit; whether it may, the caller knows.
            verdict: What the page shows of it; `people` and `lights` among it.
            weights: Digest of the weights that were audited.
            now: Seconds since 1970.

        Raises:
            ValueError: If there is no such submission, it is not scored, or has other weights.
        """
        with transaction(self.path) as db:
            row = queries.row_of(db, number)
            known = db.execute("SELECT weights FROM results WHERE submission = ?", (number,)).fetchone()
            if known is None:
                raise ValueError(f"submission {number} is {row['state']}: only a scored one has weights to compare")
            if known["weights"] != weights:
                raise ValueError(
                    f"the audited model has other weights than submission {number}: audit {row['repo_id']} at "
                    f"{row['commit']}"
                )
            replace(db, "verdicts", {"submission": number, "verdict": packed(verdict)})
            write_change(db, number, clock(now), keeper, row["state"], row["state"], "audited")
            rank_again(db, row["base_model"], row["forget"])

    def requeue_all(self, metric_version: str, who: str = "keeper", now: float | None = None) -> int:
        """Set the version of the metrics; if it is another one, everything that is scored or running is queued again.

        Results of the old version stay in the table until then, as not verified.

        Returns:
            How many submissions were queued again.
        """
        now = clock(now)
        with transaction(self.path) as db:
            before = queries.metric_version(db)
            if before == metric_version:
                return 0
            db.execute("UPDATE settings SET value = ? WHERE name = 'metric_version'", (metric_version,))
            found = db.execute("SELECT id, state FROM submissions WHERE state IN ('scored', 'running')").fetchall()
            for row in found:
                reason = f"metrics went from version {before} to {metric_version}"
                move(db, row["id"], now, who, row["state"], "queued", reason, False, attempts=0, finished=None)
            rank_all(db)
        return len(found)

    def add_reference(
        self,
        kind: str,
        base_model: str,
        forget: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        who: str = "keeper",
        now: float | None = None,
    ) -> None:
        """Set the original or gold model of a base model and forget set; one that is there is replaced.

        Raises:
            ValueError: If `kind` is neither `original` nor `gold`, or a number is not finite.
        """
        if kind not in ("original", "gold"):
            raise ValueError(f"unknown reference {kind!r}; choose original or gold")
        now = clock(now)
        row = {"kind": kind, "base_model": base_model, "forget": forget, "scored": now, **columns_of(numbers)}
        row |= {"numbers": packed(numbers), "meta": packed(meta), "log": pressed(log)}
        with transaction(self.path) as db:
            replace(db, "reference_rows", {**row, "metric_version": queries.metric_version(db)})
            write_change(db, None, now, who, None, kind, f"reference for {base_model}, {forget}")
            rank_again(db, base_model, forget)

    def add_photos(self, dataset: str, photos: Mapping[tuple[str, int], bytes]) -> None:
        """Keep photos of example questions for the page.

        Args:
            dataset: Fingerprint or revision of the dataset, as in the metadata of logs.
            photos: PNG or JPEG files by config and row.
        """
        rows = [(dataset, config, row, image) for (config, row), image in photos.items()]
        with transaction(self.path) as db:
            db.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)", rows)

    def set_faces(self, faces: Mapping[str, Any], who: str = "keeper", now: float | None = None) -> bool:
        """Keep the visual track's table; the one that is there is replaced.

        Args:
            faces: What `face_scores.read_faces` gave.
            who: Who brings it.
            now: Seconds since 1970.

        Returns:
            Whether it is another one than before.
        """
        with transaction(self.path) as db:
            if faces_of(db) == faces:
                return False
            replace(db, "settings", {"name": FACES, "value": packed(faces)})
            write_change(db, None, clock(now), who, None, FACES, "table of the visual track")
        return True


def faces_of(db: sqlite3.Connection) -> dict[str, Any] | None:
    """Return the visual track's table, None if there is none."""
    found = db.execute("SELECT value FROM settings WHERE name = ?", (FACES,)).fetchone()
    return found and json.loads(found["value"])
