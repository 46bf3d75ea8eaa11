"""The tables of the leaderboard's store, by version, and how its file is opened: SQLite with a write-ahead log.

The audit trail is here too, which every change writes and which only grows: who, when, from what to what, and why.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluate_metrics import VERSION

from .ranking import COLUMNS, INTERVALS, rank_all

BUSY_SECONDS = 30.0  # how long a writer waits for another one

# Version n of the file is what the first n entries make. An entry is never changed once it has been published.
HEADER = b"SQLite format 3\0"

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE submissions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL, repo_id TEXT NOT NULL, "commit" TEXT NOT NULL, kind TEXT NOT NULL,
        base_model TEXT NOT NULL, method TEXT NOT NULL, forget TEXT NOT NULL, modality TEXT NOT NULL,
        licence TEXT NOT NULL, statement INTEGER NOT NULL, paper TEXT NOT NULL, data_used TEXT NOT NULL,
        seeds TEXT NOT NULL, gpu_hours REAL NOT NULL, contact TEXT NOT NULL, self_reported TEXT,
        weights_hash TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'scored', 'refused', 'failed', 'withdrawn')),
        reason TEXT NOT NULL DEFAULT '',
        hidden INTEGER NOT NULL DEFAULT 0, hidden_reason TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0,
        worker TEXT, lease_until REAL,
        submitted REAL NOT NULL, queued REAL NOT NULL, started REAL, finished REAL,
        CHECK ((state = 'running') = (worker IS NOT NULL)),
        CHECK ((worker IS NULL) = (lease_until IS NULL))
    );
    -- A model that failed or was withdrawn may come again.
    CREATE UNIQUE INDEX submissions_model ON submissions (repo_id, "commit")
        WHERE state NOT IN ('failed', 'withdrawn');
    CREATE UNIQUE INDEX submissions_weights ON submissions (weights_hash)
        WHERE weights_hash != '' AND state NOT IN ('failed', 'withdrawn');
    CREATE INDEX submissions_queue ON submissions (state, queued, id);
    CREATE TABLE results (
        submission INTEGER PRIMARY KEY REFERENCES submissions (id),
        metric_version TEXT NOT NULL, scored REAL NOT NULL,
        d REAL, d_low REAL, d_high REAL, p REAL, utility REAL, real REAL, retain REAL, forget_score REAL,
        rouge_forget REAL, rouge_retain REAL, fluency REAL, hidden_gap REAL,
        numbers TEXT NOT NULL, meta TEXT NOT NULL, provenance TEXT NOT NULL
    );
    CREATE TABLE logs (submission INTEGER PRIMARY KEY REFERENCES submissions (id), log BLOB NOT NULL);
    CREATE TABLE reference_rows (
        kind TEXT NOT NULL CHECK (kind IN ('original', 'gold')), base_model TEXT NOT NULL, forget TEXT NOT NULL,
        metric_version TEXT NOT NULL, scored REAL NOT NULL,
        d REAL, d_low REAL, d_high REAL, p REAL, utility REAL, real REAL, retain REAL, forget_score REAL,
        rouge_forget REAL, rouge_retain REAL, fluency REAL, hidden_gap REAL,
        numbers TEXT NOT NULL, meta TEXT NOT NULL, log BLOB NOT NULL,
        PRIMARY KEY (kind, base_model, forget)
    );
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        submission INTEGER REFERENCES submissions (id),
        at REAL NOT NULL, who TEXT NOT NULL, from_state TEXT, to_state TEXT, reason TEXT NOT NULL
    );
    CREATE INDEX audit_submission ON audit (submission, id);
    CREATE INDEX audit_quota ON audit (who, to_state, at);
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is not changed'); END;
    CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is not shortened'); END;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO settings VALUES ('metric_version', '1');
    """,
    """
    -- Photos of the example questions, for the page: a few of each dataset.
    CREATE TABLE photos (
        dataset TEXT NOT NULL, config TEXT NOT NULL, "row" INTEGER NOT NULL, image BLOB NOT NULL,
        PRIMARY KEY (dataset, config, "row")
    );
    """,
    """
    -- The table as it is shown, written down by `ranking.py` with each change; it follows from the other tables.
    CREATE TABLE board (
        id INTEGER PRIMARY KEY REFERENCES submissions (id),
        user TEXT, repo_id TEXT, "commit" TEXT, base_model TEXT, method TEXT, paper TEXT, forget TEXT, modality TEXT,
        searched TEXT, verified INTEGER, self_reported INTEGER, date REAL, above_gate INTEGER, rank INTEGER,
        d REAL, p REAL, utility REAL, real REAL, retain REAL, forget_score REAL, rouge_forget REAL,
        rouge_retain REAL, fluency REAL, hidden_gap REAL, d_low REAL, d_high REAL
    );
    CREATE INDEX board_group ON board (base_model, forget);
    CREATE INDEX submissions_group ON submissions (base_model, forget);
    """,
    """
    -- How far a running submission is, in words.
    ALTER TABLE submissions ADD COLUMN progress TEXT NOT NULL DEFAULT '';
    """,
    """
    -- The rows of a base model and forget set in the order of `SORTS["rank"]`, so that a page is read and not sorted.
    DROP INDEX IF EXISTS board_group;
    CREATE INDEX board_places
        ON board (base_model, forget, rank IS NULL, rank, NOT verified, d IS NULL, d, id, verified);
    """,
    """
    -- The digest of a model's decoded weights, known once it is scored: the same ones are marked, not refused, since
    -- who sends them first need not be their author.
    DROP INDEX IF EXISTS submissions_weights;
    ALTER TABLE results ADD COLUMN weights TEXT NOT NULL DEFAULT '';
    ALTER TABLE board ADD COLUMN twin INTEGER;
    CREATE INDEX results_weights ON results (weights) WHERE weights != '';
    """,
    """
    -- What an audit that a keeper ran has found in a submission's model. (`audit` above is the trail.)
    CREATE TABLE verdicts (submission INTEGER PRIMARY KEY REFERENCES submissions (id), verdict TEXT NOT NULL);
    ALTER TABLE board ADD COLUMN audited INTEGER;
    ALTER TABLE board ADD COLUMN audited_known INTEGER;
    """,
)


def connect(path: Path, new: bool = False) -> sqlite3.Connection:
    """Open the store's file: rows by name, no transaction until one is begun.

    Args:
        path: The file.
        new: Make it if it is missing; else a file that was deleted would come back as an empty leaderboard.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not new and not path.exists():
        raise FileNotFoundError(f"the store {path} is gone: put it back, or restore it from the results' dataset")
    place = f"{path.absolute().as_uri()}?mode={'rwc' if new else 'rw'}"
    db = sqlite3.connect(place, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    return db


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Give all of it or none: takes the write lock first, so that what is read stays true until it is written."""
    db = connect(path)
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            if db.in_transaction:  # on a full disk SQLite has rolled back by itself
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
    finally:
        db.close()


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give one snapshot for all that is read; writers go on meanwhile."""
    db = connect(path)
    try:
        db.execute("BEGIN")
        yield db
    finally:
        db.close()


def migrate(path: Path) -> None:
    """Bring the file to the newest version; a new file gets all tables.

    Raises:
        ValueError: If the file is of a newer version than this program, or no store.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.stat().st_size and not path.read_bytes()[: len(HEADER)] == HEADER:
        raise ValueError(f"{path} is not a store of the leaderboard; it is left as it is")
    try:
        db = connect(path, new=True)
        with_log = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        db.close()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} is not a store of the leaderboard ({error})") from error
    if with_log != "wal":
        raise ValueError(f"{path} is on a file system without write-ahead log (journal_mode {with_log})")
    with transaction(path) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise ValueError(f"{path} is of version {version}; this program knows {len(MIGRATIONS)}: update it")
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        if version == 0:  # nothing was scored by older metrics
            db.execute("UPDATE settings SET value = ? WHERE name = 'metric_version'", (VERSION,))
        _add_scores(db)


def _add_scores(db: sqlite3.Connection) -> None:
    """Give the tables a column for each score or interval that was added since, filled from the stored numbers."""
    added, paths = False, {name: column.key for name, column in COLUMNS.items()}
    for name in INTERVALS:
        key = COLUMNS[name].key
        paths |= {f"{name}_low": f"intervals.{key}[0]", f"{name}_high": f"intervals.{key}[1]"}
    for table in ("results", "reference_rows", "board"):
        present = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, path in paths.items():
            if name not in present:
                added = True
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} REAL")
                if "numbers" in present:
                    db.execute(f"UPDATE {table} SET {name} = json_extract(numbers, '$.{path}')")  # nosec B608
    if added:
        rank_all(db)


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; `executescript` would commit before it begins."""
    part = ""
    for line in script.splitlines():
        part += f"{line}\n"
        if sqlite3.complete_statement(part):
            yield part
            part = ""


@dataclass(frozen=True)
class Change:
    """A row of the audit trail: who changed the state of a submission and why; `at` in seconds since 1970."""

    at: float
    who: str
    before: str | None
    after: str | None
    reason: str


def write_change(
    db: sqlite3.Connection, number: int | None, now: float, who: str, before: str | None, after: str | None, why: str
) -> None:
    """Add a row to the audit trail, within the transaction of the change."""
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
