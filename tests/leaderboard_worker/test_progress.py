"""How far a submission is: what its process writes, and what of it a worker believes."""

import json

import pytest

from leaderboard_worker import progress
from leaderboard_worker.progress import PROGRESS, Progress, progress_text, time_left, watched


def test_a_process_says_its_step_its_questions_and_the_time_left(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    assert progress_text(tmp_path) == ""
    said = Progress(tmp_path)
    said.step("load")
    assert progress_text(tmp_path) == "loading the model"
    said.step("public items", after=100)  # as many hidden questions follow
    said.questions(0, 300)
    assert progress_text(tmp_path) == "scoring, question 0 of 400"
    clock[0] += 60
    said.questions(100, 300)
    assert progress_text(tmp_path) == "scoring, question 100 of 400, about 3 min left"
    said.questions(101, 300)  # within a second of the one before
    assert "question 100" in progress_text(tmp_path)
    clock[0] += 120
    said.questions(300, 300)
    said.step("hidden items")
    assert progress_text(tmp_path) == "scoring hidden questions"
    clock[0] += 30
    said.questions(50, 100)
    assert progress_text(tmp_path) == "scoring hidden questions, question 350 of 400, less than a minute left"
    told: list[str] = []
    assert watched(tmp_path, told.append, lambda: True, "gold: ")() is True
    assert told == ["gold: scoring hidden questions, question 350 of 400, less than a minute left"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"step": "<script>"}, ""),
        ({"step": ["load"]}, ""),
        ({"step": "load", "done": 5, "total": 4}, "loading the model"),
        ({"step": "load", "done": True, "total": "4"}, "loading the model"),
        ({"step": "load", "done": 1, "total": 10**30}, "loading the model"),
        ({"step": "load", "done": 1, "total": 2, "left": float("nan")}, "loading the model, question 1 of 2"),
        ({"step": "load", "done": 1, "total": 2, "left": -1}, "loading the model, question 1 of 2"),
        ([], ""),
        ("x" * 20_000, ""),
    ],
)
def test_of_a_hostile_process_only_what_is_known_is_repeated(tmp_path, said, text):
    (tmp_path / PROGRESS).write_text(json.dumps(said))
    assert progress_text(tmp_path) == text


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text(json.dumps({"step": "load"}))
    (tmp_path / PROGRESS).symlink_to(tmp_path / "secret")
    assert progress_text(tmp_path) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "less than a minute"), (240, "about 4 min"), (7300, "about 2 h"), (5399, "about 90 min")],
)
def test_time_left_is_coarse(seconds, words):
    assert time_left(seconds) == f"{words} left"
