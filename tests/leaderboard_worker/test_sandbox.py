"""How a process ends, and how what it left is read."""

import os
import sys
import time

import pytest

from leaderboard_worker.cage import isolation_problem
from leaderboard_worker.sandbox import BadOutput, Limits, read_output, run_isolated


def test_a_process_that_takes_too_long_is_killed_with_its_children(tmp_path):
    (tmp_path / "job").mkdir()
    code = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="more than 1 seconds"):
        run_isolated(
            [sys.executable, "-c", code], tmp_path / "job", tmp_path / "out", Limits(1), isolation_problem() is None
        )
    assert time.monotonic() - started < 20


def test_a_process_is_killed_when_it_is_no_longer_wanted(tmp_path):
    (tmp_path / "job").mkdir()
    code = run_isolated(["sleep", "60"], tmp_path / "job", tmp_path / "out", Limits(60), False, stopped=lambda: True)
    assert code < 0


def link_out(folder):
    (folder / "secret.json").write_text("{}")
    (folder / "job" / "lineage.json").symlink_to(folder / "secret.json")


def linked_folder(folder):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "lineage.json").write_text("{}")
    (folder / "job" / "log").symlink_to(folder / "elsewhere")


LEFT = {
    "nothing": (lambda folder: None, "lineage.json", "cannot be read"),
    "a link": (link_out, "lineage.json", "cannot be read"),
    "a link to a folder": (linked_folder, "log/lineage.json", "cannot be read"),
    "a FIFO": (lambda folder: os.mkfifo(folder / "job" / "lineage.json"), "lineage.json", "not a regular file"),
    "a folder": (lambda folder: (folder / "job" / "lineage.json").mkdir(), "lineage.json", "not a regular file"),
    "too much": (lambda f: (f / "job" / "lineage.json").write_text(" " * 2000), "lineage.json", "at most 1000"),
    "a list": (lambda f: (f / "job" / "lineage.json").write_text("[]"), "lineage.json", "holds list"),
    "not JSON": (lambda f: (f / "job" / "lineage.json").write_bytes(b"\xff{"), "lineage.json", "not valid JSON"),
    "nested": (lambda f: (f / "job" / "lineage.json").write_text("[" * 999), "lineage.json", "not valid JSON"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_process_left_is_read_with_distrust(name, tmp_path):
    (tmp_path / "job").mkdir()
    make, path, reason = LEFT[name]
    make(tmp_path)
    with pytest.raises(BadOutput, match=reason):
        read_output(tmp_path / "job", path, 1000)


def test_what_a_process_left_as_it_should_is_read(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "done.json").write_text('{"seconds": 1}')
    assert read_output(tmp_path, "log/done.json", 1000) == {"seconds": 1}
