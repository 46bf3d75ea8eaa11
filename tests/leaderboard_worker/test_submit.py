"""`clear-unlearning submit` against the loopback Hub, straight into a store."""

import json

import gradio as gr
import pytest

from clear_pipeline.cli import main
from leaderboard_app.store.store import Store
from tests.leaderboard_app.browser import served
from tests.leaderboard_app.submitted import BASE, Attempt, publish_original

COMMAND = "from clear_pipeline.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
SAID = ("--base_model", BASE, "--method", "npo", "--forget", "forget10", "--data_used", "forget10", "--seeds", "0",
        "--gpu_hours", "1", "--licence", "apache-2.0", "--contact", "me@example.org")  # fmt: skip


@pytest.fixture
def attempt(hub, mini_llava, tmp_path) -> Attempt:
    base = publish_original(hub, mini_llava)
    entry = {**vars(base), "forget": list(base.forget)}
    (tmp_path / "bases.json").write_text(json.dumps({"bases": [entry]}))
    return Attempt(hub, base, mini_llava)


def submit(attempt, tmp_path, *more, repo_id="keeper/npo"):
    where = ("--store", tmp_path / "store.sqlite", "--bases", tmp_path / "bases.json")
    return attempt.hub.run("-c", COMMAND, "submit", "--repo-id", repo_id, *SAID, *where, *more)


def test_a_model_is_submitted_at_the_commit_that_its_branch_names(attempt, tmp_path):
    commit = attempt.publish()
    numbers = {"model_utility": 0.8, "forget_quality": None, "tasks": {}}
    (tmp_path / "numbers.json").write_text(json.dumps(numbers))
    done = submit(attempt, tmp_path, "--statement", "--self_reported", tmp_path / "numbers.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"submission 1: keeper/npo@{commit} waits in the queue\n"
    submission = Store(tmp_path / "store.sqlite").submission(1)
    assert (submission.user, submission.commit, submission.gpu_hours) == ("keeper", commit, 1.0)
    assert submission.self_reported == {"model_utility": 0.8}
    again = submit(attempt, tmp_path, "--statement")
    assert again.returncode == 2 and "this commit is submission 1 already" in again.stderr


def test_what_is_wrong_is_said_in_one_line(attempt, tmp_path):
    attempt.files["model.py"] = b"import os"
    attempt.publish()
    refused = submit(attempt, tmp_path, "--statement")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "'model.py' is code" in refused.stderr
    assert not (tmp_path / "store.sqlite").exists()
    silent = submit(attempt, tmp_path)
    assert "statement: must be agreed to" in silent.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        ('{"real":', "is not JSON"),
        ("[0.5]", "has none of gold_share, forget_quality"),
        ('{"eval_log.json": {}}', "`score --json` prints them"),
    ],
)
def test_numbers_that_cannot_be_read_are_named_by_their_flag(tmp_path, capsys, content, message):
    file = tmp_path / "numbers.json"
    if content is not None:
        file.write_text(content)
    argv = ["submit", "--repo-id", "keeper/npo", *SAID, "--statement", "--leaderboard", "http://127.0.0.1:9"]
    assert main([*argv, "--self_reported", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --self_reported: ") and str(file) in said and message in said


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:7860", "begins with https:// or http://; seen '127.0.0.1:7860'"),
        ("leaderboard", "begins with https:// or http://"),
        ("http://127.0.0.1:9", "does not answer as a leaderboard"),
        (None, "is another page than a leaderboard"),
    ],
)
def test_a_wrong_address_is_named(monkeypatch, capsys, address, message):
    monkeypatch.setenv("HF_TOKEN", "hf_keeper")
    with gr.Blocks() as other:
        gr.Textbox()
    with served(other) as url:
        argv = ["submit", "--repo-id", "keeper/npo", *SAID, "--statement", "--leaderboard", address or url]
        assert main(argv) == 2
    assert message in capsys.readouterr().err
