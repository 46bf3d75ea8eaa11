import dataclasses
import json
import sqlite3
import threading

import pytest

from leaderboard_app.store.schema import MIGRATIONS
from leaderboard_app.store.store import DAY, DuplicateSubmission, LeaseLost, Store
from tests.leaderboard_app.entries import add_scored, entry, numbers


def history(store: Store, number: int) -> list[tuple[str | None, str | None, str]]:
    return [(change.before, change.after, change.who) for change in store.status(number).history]


def test_a_submission_goes_from_queued_to_scored_and_leaves_its_trail(store):
    number = store.submit(entry(user="mara"), now=10.0)
    assert (store.status(number).state, store.status(number).position) == ("queued", 1)
    job = store.claim("w1", 60, now=20.0)
    assert (job.id, job.submission, job.attempt, job.lease_until) == (number, entry(user="mara"), 1, 80.0)
    assert store.status(number, now=30.0).state == "running"
    store.finish(number, "w1", numbers(0.2, 0.7), {"task": {"a": 1}}, {"seed": 3}, {"gpu": "none"}, now=40.0)
    status = store.status(number)
    assert (status.state, status.submitted, status.started, status.finished) == ("scored", 10.0, 20.0, 40.0)
    found = store.details(number)
    assert (found.log, found.meta, found.provenance) == ({"task": {"a": 1}}, {"seed": 3}, {"gpu": "none"})
    assert found.numbers == numbers(0.2, 0.7)
    assert history(store, number) == [
        (None, "queued", "mara"), ("queued", "running", "w1"), ("running", "scored", "w1")
    ]  # fmt: skip


def test_all_fields_of_a_submission_come_back(store):
    full = entry(
        paper="arXiv 2404.05868", data_used="forget10 and retain90", seeds="0, 1, 2", gpu_hours=2.5, contact="@mara",
        self_reported={"model_utility": 0.5}, weights_hash="ab" * 32, kind="adapter", modality="image",
    )  # fmt: skip
    assert store.submission(store.submit(full)) == full


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ({"repo_id": "user1/model", "commit": f"{1:040x}"}, "this commit is submission 1 already, and queued"),
    ],
)
def test_the_same_model_is_not_taken_twice_unless_it_failed(store, again, said):
    number = store.submit(entry(1, weights_hash="aa"))
    with pytest.raises(DuplicateSubmission, match=said):
        store.submit(entry(2, **again))
    store.withdraw(number, "user1")
    assert store.submit(entry(2, **again)) > number


@pytest.mark.parametrize("state", ["queued", "running", "scored", "failed", "refused", "withdrawn"])
def test_what_a_keeper_hid_does_not_come_back(store, state):
    number = store.submit(entry(1, weights_hash="aa"))
    if state in ("running", "scored", "failed", "refused"):
        store.claim("w", 60)
    if state == "scored":
        store.finish(number, "w", numbers(0.2, 0.7), {}, {}, {})
    if state == "failed":
        store.fail(number, "w", "why", retry=False)
    if state == "refused":
        store.refuse(number, "w", "why")
    if state == "withdrawn":
        store.withdraw(number, "user1")
    store.hide(number, "keeper", "trained on the questions")
    for act in (store.withdraw, store.retry):
        with pytest.raises(ValueError, match=f"submission 1 (was hidden by a keeper|is {state})"):
            act(number, "user1")
    assert store.status(number).state == state and store.rows().total == 0
    again = {
        "the same commit": {"repo_id": "user1/model", "commit": f"{1:040x}"},
        "its files under another name": {"weights_hash": "aa"},
        "its files by another user": {"user": "other", "weights_hash": "aa", "method": "mine"},
    }
    for changes in again.values():
        with pytest.raises(DuplicateSubmission, match="hidden by a keeper: trained on the questions"):
            store.submit(entry(2, **changes))
    store.hide(number, "keeper", "it was not", hidden=False)
    assert store.submit(entry(2, weights_hash="aa")) > number


def test_who_copies_a_model_first_does_not_shut_out_its_author_and_both_are_marked(store):
    copied = add_scored(store, 1, 0.2, 0.7, weights="ab" * 32, weights_hash="aa")
    alone = add_scored(store, 2, 0.3, 0.7, weights="cd" * 32)
    own = add_scored(store, 3, 0.2, 0.7, weights="ab" * 32, weights_hash="aa")
    elsewhere = add_scored(store, 4, 0.2, 0.7, weights="ab" * 32, forget="forget05")

    def twins() -> dict[int | None, int | None]:
        return {row.id: row.twin for row in store.rows().rows}

    assert twins() == {copied: own, own: copied, alone: None, elsewhere: None}
    store.hide(copied, "keeper", "a copy")
    assert twins() == {own: copied, alone: None, elsewhere: None}
    store.hide(copied, "keeper", "back", hidden=False)
    store.withdraw(copied, "user1")
    assert twins() == {own: None, alone: None, elsewhere: None}


def test_what_is_withdrawn_has_no_contact_any_more(store):
    number = store.submit(entry(1, contact="mara@example.org"))
    store.withdraw(number, "user1")
    assert store.submission(number).contact == ""


def test_a_row_that_is_no_valid_submission_any_more_fails_and_the_next_is_claimed(store):
    bad, good = store.submit(entry(1), now=1.0), store.submit(entry(2), now=2.0)
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE submissions SET forget = 'forget99' WHERE id = ?", (bad,))
    job = store.claim("w", 60, now=3.0)
    assert job is not None and job.id == good
    assert "no valid submission any more: forget: choose from" in store.status(bad).reason
    assert store.status(bad).state == "failed"


def test_a_store_that_was_deleted_does_not_become_an_empty_leaderboard(store):
    add_scored(store, 1, 0.2, 0.7)
    for place in store.path.parent.glob(f"{store.path.name}*"):
        place.unlink()
    for act in (store.rows, store.last_change, lambda: store.submit(entry(2)), lambda: store.claim("w", 60)):
        with pytest.raises(FileNotFoundError, match="is gone"):
            act()
    assert not store.path.exists()


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_without_rows_is_refused(store, size):
    with pytest.raises(ValueError, match="a page needs at least one row"):
        store.rows(page_size=size)


def test_a_user_has_a_quota_within_a_day_that_withdrawing_does_not_give_back(tmp_path):
    store = Store(tmp_path / "store", quota=2)
    for number in (1, 2):
        store.withdraw(store.submit(entry(number, user="mara"), now=number), "mara", now=number)
    with pytest.raises(ValueError, match="mara has sent 2 submissions within a day, and 2 are allowed"):
        store.submit(entry(3, user="mara"), now=3.0)
    store.submit(entry(4, user="ivo"), now=3.0)
    store.submit(entry(3, user="mara"), now=DAY + 1.5)


def test_the_oldest_is_claimed_first_and_by_one_worker_only(store):
    numbers_ = [store.submit(entry(n), now=float(n)) for n in range(1, 21)]
    claimed: list[int] = []

    def work(name: str) -> None:
        while job := store.claim(name, 60):
            claimed.append(job.id)

    assert store.claim("first", 60).id == numbers_[0]
    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed) == numbers_[1:]


def test_a_dead_workers_job_returns_to_its_place_in_the_queue(store):
    first, second = (store.submit(entry(n), now=float(n)) for n in (1, 2))
    store.claim("dead", 10, now=5.0)
    assert store.status(first, now=14.0).position is None
    assert [store.status(n, now=16.0).position for n in (first, second)] == [1, 2]
    assert store.claim("alive", 10, now=16.0).id == first
    for late in (
        lambda: store.heartbeat(first, "dead", 10),
        lambda: store.finish(first, "dead", numbers(0.1, 0.7), {}, {}, {}),
        lambda: store.refuse(first, "dead", "late"),
        lambda: store.fail(first, "dead", "late", retry=True),
    ):
        with pytest.raises(LeaseLost, match="submission 1 is running, of alive, and no longer dead's"):
            late()
    assert store.status(first, now=17.0).state == "running"


def test_a_heartbeat_says_how_far_a_submission_is_as_long_as_it_runs(store):
    number = store.submit(entry(1), now=0.0)
    store.claim("w1", 10, now=1.0)
    assert store.status(number, now=2.0).progress == ""
    store.heartbeat(number, "w1", 10, "scoring, question 3 of 6", now=2.0)
    assert store.status(number, now=3.0).progress == "scoring, question 3 of 6"
    assert store.status(number, now=13.0).progress == ""  # it waits again
    store.heartbeat(number, "w1", 10, "x" * 999, now=3.0)
    assert len(store.status(number, now=4.0).progress) == 200
    store.fail(number, "w1", "stopped", retry=True, now=5.0)
    assert store.status(number, now=6.0).progress == ""


def test_a_heartbeat_keeps_the_lease(store):
    number = store.submit(entry(), now=1.0)
    store.claim("w1", 10, now=2.0)
    store.heartbeat(number, "w1", 10, now=11.0)
    assert store.claim("w2", 10, now=20.0) is None
    assert store.claim("w2", 10, now=22.0).id == number


def test_nothing_is_scored_twice(store):
    number = add_scored(store, 1, 0.2, 0.7)
    with pytest.raises(LeaseLost, match="is scored"):
        store.finish(number, "worker", numbers(0.0, 1.0), {}, {}, {})
    assert store.details(number).numbers["model_utility"] == 0.7


def test_a_worker_that_dies_again_and_again_ends_the_submission(store):
    number = store.submit(entry(), now=0.0)
    for attempt in range(1, 4):
        assert store.claim("w", 10, now=attempt * 100.0).attempt == attempt
    assert store.claim("w", 10, now=400.0) is None
    status = store.status(number)
    assert (status.state, status.reason) == ("failed", "the worker stopped without a word 3 times; last: w")


def test_a_failed_one_is_retried_three_times_and_then_by_its_submitter(store):
    number = store.submit(entry(user="mara"))
    for state in ("queued", "queued", "failed"):
        store.claim("w", 60)
        store.fail(number, "w", "the Hub is down", retry=True)
        assert store.status(number).state == state
    with pytest.raises(PermissionError, match="submission 1 is not ivo's"):
        store.retry(number, "ivo")
    store.retry(number, "mara")
    assert store.claim("w", 60).attempt == 1
    store.fail(number, "w", "no such commit", retry=False)
    assert (store.status(number).state, store.status(number).reason) == ("failed", "no such commit")


def test_a_withdrawn_one_is_nobodys_job(store):
    number = store.submit(entry(user="mara"))
    store.claim("w", 60)
    with pytest.raises(PermissionError):
        store.withdraw(number, "ivo")
    store.withdraw(number, "mara")
    with pytest.raises(LeaseLost, match="is withdrawn"):
        store.heartbeat(number, "w", 60)
    with pytest.raises(ValueError, match="withdrawn already"):
        store.withdraw(number, "mara")
    assert store.claim("w", 60) is None


def test_a_keeper_hides_and_shows_a_row_with_a_reason(store):
    number = add_scored(store, 1, 0.2, 0.7)
    with pytest.raises(ValueError, match="needs a reason"):
        store.hide(number, "keeper", " ")
    store.hide(number, "keeper", "trained on the questions")
    assert store.rows().rows == []
    assert store.status(number).hidden_reason == "trained on the questions"
    store.hide(number, "keeper", "an error of ours", hidden=False)
    assert [row.id for row in store.rows().rows] == [number]
    assert history(store, number)[-2:] == [("scored", "hidden", "keeper"), ("hidden", "scored", "keeper")]


def test_another_version_of_the_metrics_queues_everything_again(store):
    done, running, waiting = add_scored(store, 1, 0.2, 0.7), store.submit(entry(2)), store.submit(entry(3))
    store.claim("w", 60)
    assert store.requeue_all(store.metric_version()) == 0
    assert store.requeue_all("99") == 2
    assert [store.status(n).state for n in (done, running, waiting)] == ["queued"] * 3
    with pytest.raises(LeaseLost):  # it would write numbers of the old version
        store.finish(running, "w", numbers(0.1, 0.7), {}, {}, {})
    assert [row.verified for row in store.rows(verified=False).rows] == [False]
    assert store.rows(verified=True).rows == []
    job = store.claim("w", 60)
    assert job.metric_version == "99"
    store.finish(job.id, "w", numbers(0.3, 0.7), {}, {}, {})
    assert store.details(job.id).metric_version == "99"


def test_a_result_is_written_whole_or_not_at_all(store):
    number = store.submit(entry())
    store.claim("w", 60)
    with pytest.raises(ValueError, match="JSON compliant"):
        store.finish(number, "w", numbers(float("nan"), 0.7), {}, {}, {})
    with sqlite3.connect(store.path) as db:  # the disk is full when the last of the three is written
        db.execute("CREATE TRIGGER full BEFORE INSERT ON logs BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="disk is full"):
        store.finish(number, "w", numbers(0.2, 0.7), {}, {}, {})
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT COUNT(*) FROM results").fetchone() == (0,)
        db.execute("DROP TRIGGER full")
    assert store.status(number).state == "running"
    store.finish(number, "w", numbers(0.2, 0.7), {}, {}, {})


def test_the_audit_trail_is_neither_changed_nor_shortened(store):
    store.submit(entry())
    with sqlite3.connect(store.path) as db:
        for statement in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="audit trail"):
                db.execute(statement)


def test_the_file_knows_its_version(tmp_path):
    Store(tmp_path / "store").submit(entry())
    assert Store(tmp_path / "store").status(1).state == "queued"
    with sqlite3.connect(tmp_path / "store") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="of version 99; this program knows"):
        Store(tmp_path / "store")
    (tmp_path / "text").write_text("no database at all, but a text that is long enough to be taken for one" * 20)
    with pytest.raises(ValueError, match="is not a store of the leaderboard"):
        Store(tmp_path / "text")


def test_an_unknown_number_is_named(store):
    for ask in (store.status, store.submission, store.details):
        with pytest.raises(ValueError, match="there is no submission 7"):
            ask(7)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "lora"}, "kind: choose from full, adapter; seen 'lora'"),
        ({"forget": "forget50"}, "choose from forget01, forget05, forget10"),
        ({"commit": "main"}, "commit: must be all 40 digits"),
        ({"repo_id": "model"}, "repo_id: must be NAMESPACE/NAME"),
        ({"repo_id": "a/../b"}, "repo_id: must be NAMESPACE/NAME"),
        ({"method": "x" * 61}, "method: has 61 characters; at most 60"),
        ({"method": " "}, "method: is missing"),
        ({"method": "a\u202eb"}, "method: has control or invisible characters"),
        ({"paper": "a\x00b"}, "paper: has control or invisible characters"),
        ({"user": 3}, "user: must be text, not int"),
        ({"statement": False}, "statement: must be agreed to"),
        ({"gpu_hours": float("nan")}, "gpu_hours: must be hours from 0"),
        ({"gpu_hours": -1.0}, "gpu_hours: must be hours from 0"),
        ({"gpu_hours": "3"}, "gpu_hours: must be a number, not str"),
        ({"self_reported": {"score": 1.0}}, "self_reported: unknown number 'score'"),
        ({"self_reported": {"model_utility": float("inf")}}, "model_utility must be a finite number"),
        ({"self_reported": {"model_utility": "1"}}, "model_utility must be a finite number"),
    ],
)
def test_a_field_that_holds_nonsense_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        entry(**changes)


def test_a_submission_is_json():
    assert json.loads(json.dumps(dataclasses.asdict(entry()))) == entry().as_dict()
