"""The store as files and back."""

import sqlite3

import pyarrow.parquet as pq
import pytest

from evaluate_metrics.scores import score_log
from leaderboard_app.store.mirror import TABLES, read_mirror, write_mirror
from leaderboard_app.store.store import Store
from tests.evaluate_metrics.test_space_app import log_of
from tests.leaderboard_app.entries import add_references, add_scored, entry, faces, numbers


def content(store: Store) -> dict[str, list[tuple]]:
    """All rows of all tables."""
    with sqlite3.connect(store.path) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in (*TABLES, "logs")}


@pytest.fixture
def full(store: Store) -> Store:
    """A store with something in every state and every table."""
    add_references(store)
    add_scored(store, 1, 0.2, 0.75)
    store.hide(add_scored(store, 2, 0.1, 0.3), "keeper", "copied")
    store.submit(entry(3, self_reported={"real": 0.5}))
    for number, end in ((4, "refuse"), (5, "fail")):
        store.submit(entry(number, user="mara"))
        job = store.claim("w", 60)
        if job.submission.user != "mara":  # the third waits before them
            store.fail(job.id, "w", "later", retry=False)
            job = store.claim("w", 60)
        getattr(store, end)(job.id, "w", "why", **({"retry": False} if end == "fail" else {}))
    store.withdraw(store.submit(entry(6)), "user6")
    store.submit(entry(7))
    store.claim("w", 60)
    store.submit(entry(8))
    store.add_photos("f00", {("real_faces", 3): b"\x89PNG"})
    store.set_faces(faces())
    return store


def test_an_empty_store_is_rebuilt_row_for_row_and_goes_on(full, tmp_path):
    write_mirror(full, tmp_path / "mirror")
    again = Store(tmp_path / "again.sqlite")
    assert read_mirror(again, tmp_path / "mirror") == 8
    assert content(again) == content(full)
    assert again.rows(verified=False) == full.rows(verified=False)
    assert again.faces() == faces()
    for store in (full, again):
        assert store.submit(entry(9)) == 9
        assert store.claim("w2", 60).id == 8
    with pytest.raises(ValueError, match="is not empty"):
        read_mirror(again, tmp_path / "mirror")
    with pytest.raises(FileNotFoundError, match="is not a mirror"):
        read_mirror(Store(tmp_path / "third"), tmp_path)


def test_the_same_store_gives_the_same_bytes(full, tmp_path):
    files = []
    for name in ("one", "two"):
        write_mirror(full, tmp_path / name)
        place = tmp_path / name
        files.append({path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()})
    assert files[0] == files[1]
    assert len(files[0]) == 8 + 1 + 2 * 4  # tables, card, and logs with metadata


def test_the_table_for_readers_has_ranks_and_no_hidden_rows(full, tmp_path):
    write_mirror(full, tmp_path)
    rows = pq.read_table(tmp_path / "leaderboard.parquet").to_pylist()
    assert [(row["role"], row["id"], row["rank"]) for row in rows] == [
        ("original", None, None), ("gold", None, None), ("submission", 1, 1)
    ]  # fmt: skip


def test_an_empty_store_has_a_mirror_too(store, tmp_path):
    write_mirror(store, tmp_path / "mirror")
    assert read_mirror(Store(tmp_path / "again"), tmp_path / "mirror") == 0


def test_a_mirrored_log_is_a_log(store, tmp_path):
    number = store.submit(entry())
    store.claim("w", 60)
    store.finish(number, "w", numbers(0.1, 0.7), log_of(0.1), {"forget": "forget10"}, {})
    write_mirror(store, tmp_path)
    assert score_log(tmp_path / "logs" / str(number)) == score_log(log_of(0.1))
