"""Original and gold as the worker gives them to the store: with photos, once, and again when the rows are others."""

import json

import pytest

from evaluate_metrics import VERSION
from evaluate_metrics.log_format import META_NAME
from leaderboard_app.bases import Base
from leaderboard_app.store.store import Store
from leaderboard_worker.references import AnswerReferences, keep_reference
from tests.leaderboard_app.entries import BASE
from tests.leaderboard_worker.test_leaderboard import write_demo

ROWS = "f00d" * 16


@pytest.fixture
def demo(tmp_path):
    return write_demo(tmp_path / "demo", {})


def keep(store, demo, role="original"):
    base = Base(BASE, "ORG/original", "0" * 40, str(demo / "data" / "clear"), ("forget10",))
    base.golds["forget10"] = [str(demo / "models" / "gold")]
    logs = [demo / "logs" / name for name in (role, "gold", "original")]
    keep_reference(store, role, base, "forget10", logs, demo / "data" / "clear", "worker")


@pytest.mark.parametrize("role", ["original", "gold"])
def test_a_reference_has_the_photos_of_the_examples_and_no_local_folder(demo, tmp_path, role):
    store = Store(tmp_path / "store.sqlite")
    keep(store, demo, role)
    found = store.reference(role, BASE, "forget10")
    assert found is not None
    assert found.meta["lineage"] == {"base_model": BASE, "role": role}
    assert found.meta["model"] == {"original": "ORG/original", "gold": "gold"}[role]
    assert str(tmp_path) not in json.dumps(found.meta)
    for config in ("forget10_perturbed", "retain_perturbed", "real_faces"):
        photo = store.photo(ROWS, config, 0)
        assert photo is not None and photo.startswith(b"\x89PNG")


def test_a_reference_that_is_there_stays_until_the_rows_or_the_metrics_are_others(demo, tmp_path):
    store = Store(tmp_path / "store.sqlite")
    keep(store, demo)
    first = store.reference("original", BASE, "forget10")
    keep(store, demo)
    assert store.reference("original", BASE, "forget10") == first
    for path in (demo / "logs").rglob(META_NAME):
        path.write_text(path.read_text().replace(ROWS, "beef" * 16))
    keep(store, demo)
    other = store.reference("original", BASE, "forget10")
    assert first is not None and other is not None and other.meta["dataset"]["fingerprint"] == "beef" * 16
    assert store.photo("beef" * 16, "forget10_perturbed", 0)

    store.requeue_all("0")
    store.add_reference("original", BASE, "forget10", other.numbers, other.log, other.meta)
    store.requeue_all(VERSION)
    keep(store, demo)
    newest = store.reference("original", BASE, "forget10")
    assert newest is not None and newest.metric_version == VERSION


def test_without_a_store_they_are_kept_for_the_answer(demo):
    references = AnswerReferences()
    keep(references, demo)
    keep(references, demo, "gold")
    assert references.rows.keys() == {"original", "gold"}
    assert ("forget10_perturbed", 0) in references.photos
