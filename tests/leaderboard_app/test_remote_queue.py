"""A worker on another machine."""

import pytest

from leaderboard_app.api.remote_queue import RemoteQueue
from leaderboard_app.app import build_app
from leaderboard_app.store.store import LeaseLost, Store
from tests.leaderboard_app.browser import served
from tests.leaderboard_app.entries import entry, numbers

SECRET = "a secret that nobody guesses"


def test_a_remote_worker_claims_holds_and_ends_submissions_as_one_on_the_spot(store):
    submissions = [entry(n, self_reported={"real": 0.5}) for n in (1, 2, 3)]
    for submission in submissions:
        store.submit(submission)
    with served(build_app(store, secret=SECRET), SECRET) as url:
        queue = RemoteQueue(url, SECRET)
        job = queue.claim("far", 60)
        assert (job.id, job.submission, job.attempt) == (1, submissions[0], 1)
        queue.heartbeat(1, "far", 60)
        queue.finish(
            1, "far", numbers(0.2, 0.7), {"eval_log.json": {}}, {"seed": 1, "a long log": "x" * 2**21}, {"by": "far"}
        )
        assert store.details(1).numbers == numbers(0.2, 0.7)
        with pytest.raises(LeaseLost, match="submission 1 is scored"):
            queue.heartbeat(1, "far", 60)
        for number, end in ((2, queue.refuse), (3, queue.fail)):
            assert queue.claim("far", 60).id == number
            end(number, "far", "why", **({} if end == queue.refuse else {"retry": False}))
        assert [store.status(n).state for n in (1, 2, 3)] == ["scored", "refused", "failed"]
        assert queue.claim("far", 60) is None
        assert queue.requeue_all("99", "far") == 1
        with pytest.raises(ValueError, match="is not the secret"):
            RemoteQueue(url, "another").claim("thief", 60)
        with pytest.raises(ValueError, match="unknown call 'submit'"):
            queue._call("submit")


def test_a_short_secret_opens_no_door(tmp_path):
    with pytest.raises(ValueError, match="LEADERBOARD_SECRET has 5 characters"):
        build_app(Store(tmp_path / "store"), secret="12345")


def test_without_a_secret_there_is_no_door(store):
    with served(build_app(store)) as url, pytest.raises(ConnectionError, match="does not answer"):
        RemoteQueue(url, "").claim("far", 60)
    with pytest.raises(ConnectionError, match="does not answer as a leaderboard"):
        RemoteQueue(url, "")  # it has been closed
