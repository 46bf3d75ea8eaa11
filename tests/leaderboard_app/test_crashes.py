"""`kill -9` of worker and submitter at seeded random moments; `benchmarks/leaderboard_crashes.py` has 200 rounds."""

import pytest

from benchmarks.leaderboard_crashes import run_rounds
from tests.leaderboard_app.crash_stage import crash_stage


def rounds(tmp_path, count, models):
    with crash_stage(tmp_path, models) as (base, said, hub):
        return run_rounds(tmp_path / "run", base, said, hub.url, models, count, seed=1, limit=300)


def check(found, models):
    assert {name: found[name] for name in ("submissions", "scored")} == {"submissions": models, "scored": models}
    wrong = ("lost", "twice in the queue", "scored twice", "not scored", "half rows", "folders left")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_score_nothing_twice(tmp_path):
    check(rounds(tmp_path, 20, 12), 12)
