"""The store as files and back: parquet tables and logs, from which an empty store can be rebuilt.

`leaderboard.parquet` is the table as the page shows it, for readers; the others are the store's own tables.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard_app.pages.table import row_dict

from .board import SHOWN, BoardRow
from .ranking import packed, pressed, rank_all, unpressed
from .schema import reading, transaction
from .store import Store

TABLES = ("submissions", "results", "reference_rows", "audit", "settings", "photos", "verdicts")
# Its logs lie beside it as JSON, in the format that `clear-unlearning score` reads.
WITH_LOG = "reference_rows"
LOG, META = "eval_log_aggregated.json", "eval_log_meta.json"
ARROW = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}
CARD = """---
license: cc-by-nc-4.0
tags: [machine unlearning, leaderboard]
configs:
- config_name: leaderboard
  default: true
  data_files: leaderboard.parquet
- config_name: submissions
  data_files: store/submissions.parquet
- config_name: results
  data_files: store/results.parquet
- config_name: audit
  data_files: store/audit.parquet
---
# Results of the CLEAR leaderboard

`leaderboard` is the table with its ranks; `submissions`, `results` and `audit` are what it is made from, and
`logs/<number>/` holds the evaluation log of each submission in TOFU's format. An empty store is rebuilt from these
files by `clear-unlearning leaderboard restore`.
"""


def write_mirror(store: Store, folder: Path) -> None:
    """Write all files into a folder; the same store gives the same bytes."""
    (folder / "store").mkdir(parents=True, exist_ok=True)
    with reading(store.path) as db:
        for table in TABLES:
            types = _types(db, table)
            rows = [dict(row) for row in db.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]  # nosec B608
            for row in rows if table == WITH_LOG else ():
                name = "--".join((row["kind"], row["base_model"].replace("/", "--"), row["forget"]))
                _write_log(folder / "logs" / name, unpressed(row.pop("log")), json.loads(row["meta"]))
            if table == WITH_LOG:
                del types["log"]
            schema = pa.schema([(name, kind) for name, kind in types.items()])
            pq.write_table(pa.Table.from_pylist(rows, schema), folder / "store" / f"{table}.parquet")
        query = "SELECT submission, log, meta FROM logs JOIN results USING (submission) ORDER BY submission"
        for row in db.execute(query):
            _write_log(folder / "logs" / str(row["submission"]), unpressed(row["log"]), json.loads(row["meta"]))
    board = store.rows(verified=False, page_size=1_000_000)
    lines = [row_dict(row) for row in (*board.references, *board.rows)]
    pq.write_table(pa.Table.from_pylist(lines, _board_schema()), folder / "leaderboard.parquet")
    (folder / "README.md").write_text(CARD, encoding="utf-8")


def read_mirror(store: Store, folder: Path) -> int:
    """Fill an empty store from the files, in one transaction.

    Returns:
        How many submissions there are.

    Raises:
        ValueError: If the store is not empty.
        FileNotFoundError: If the folder has no such files.
    """
    if not (folder / "store" / "submissions.parquet").is_file():
        raise FileNotFoundError(f"{folder} has no store/submissions.parquet: it is not a mirror of a leaderboard")
    with transaction(store.path) as db:
        if db.execute("SELECT COUNT(*) FROM audit").fetchone()[0]:
            raise ValueError(f"{store.path} is not empty; restore into a new file")
        db.execute("DELETE FROM settings")
        for table in TABLES:
            file = folder / "store" / f"{table}.parquet"
            rows = pq.read_table(file).to_pylist() if file.is_file() else []  # older mirrors have fewer tables
            known = _types(db, table)
            for row in rows:
                if table == WITH_LOG:
                    name = "--".join((row["kind"], row["base_model"].replace("/", "--"), row["forget"]))
                    row["log"] = pressed(json.loads((folder / "logs" / name / LOG).read_text(encoding="utf-8")))
                names = [name for name in row if name in known]
                columns = ", ".join(f'"{name}"' for name in names)
                marks = ", ".join("?" for _ in names)
                db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [row[name] for name in names])  # nosec B608
            if table == "results":
                for row in rows:
                    path = folder / "logs" / str(row["submission"]) / LOG
                    log = pressed(json.loads(path.read_text(encoding="utf-8")))
                    db.execute("INSERT INTO logs VALUES (?, ?)", (row["submission"], log))
        rank_all(db)
        return db.execute("SELECT COUNT(*) FROM submissions").fetchone()[0]


def _types(db: Any, table: str) -> dict[str, pa.DataType]:
    return {row["name"]: ARROW[row["type"]] for row in db.execute(f"PRAGMA table_info({table})")}


def _write_log(folder: Path, log: Any, meta: Any) -> None:
    folder.mkdir(parents=True)
    (folder / LOG).write_text(packed(log), encoding="utf-8")
    (folder / META).write_text(packed(meta), encoding="utf-8")


def _board_schema() -> pa.Schema:
    kinds = dict.fromkeys(("id", "rank", "twin", "audited", "audited_known"), pa.int64()) | {"date": pa.float64()}
    kinds |= dict.fromkeys(("above_gate", "verified", "self_reported"), pa.bool_())
    names = [name for name in row_dict(_NOBODY) if name not in SHOWN]
    return pa.schema(
        [(name, kinds.get(name, pa.string())) for name in names] + [(name, pa.float64()) for name in SHOWN]
    )


_NOBODY = BoardRow(
    id=None, role="", rank=None, above_gate=None, verified=False, self_reported=False, method="",
    base_model="", forget="", modality="", user="", repo_id="", commit="", paper="", date=0.0,
    numbers=dict.fromkeys(SHOWN),
)  # fmt: skip
