"""What a process can do that is cut off: nothing but compute and write into its own folder."""

import os
import socket
import sys
import time

import pytest

from leaderboard_worker.sandbox import BadOutput, Limits, isolation_problem, read_output, run_isolated

PROBE = """
import json, os, socket, subprocess, sys
from pathlib import Path

def tried(act):
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "done"

port, pid, token, outside = sys.argv[1:]
found = {
    "connect to this machine": tried(lambda: socket.create_connection(("127.0.0.1", int(port)), 2)),
    "connect to the Hub": tried(lambda: socket.create_connection(("1.1.1.1", 443), 2)),
    "read the token": tried(lambda: Path(token).read_text()),
    "allocate 30 GB": tried(lambda: bytearray(30 * 2**30)),
    "write outside": tried(lambda: Path(outside, "owned").write_text("x")),
    "write to /tmp": tried(lambda: Path("/tmp/owned").write_text("x")),
    "kill the worker": tried(lambda: os.kill(int(pid), 9)),
    "read the disk": tried(lambda: open("/dev/vda", "rb")),
    "fill the disk": tried(lambda: os.truncate(Path("large").open("w").fileno(), 2**40)),
    "write into its folder": tried(lambda: Path("own").write_text("x")),
}
for what, command in {
    "uncover the token": ["umount", str(Path(token).parent)],
    "make the disk writable": ["mount", "-o", "remount,rw", "/"],
    "become root anew": ["unshare", "--user", "--map-root-user", "--mount", "true"],
}.items():
    found[what] = "done" if subprocess.run(command, capture_output=True).returncode == 0 else "failed"
found["processes"] = sorted(name for name in os.listdir("/proc") if name.isdigit())
found["secrets"] = [name for name, value in os.environ.items() if "hf_keeper" in value or "TOKEN" == name[-5:]]
Path("found.json").write_text(json.dumps(found))
"""

needs_namespaces = pytest.mark.skipif(isolation_problem() is not None, reason=f"{isolation_problem()}")


@needs_namespaces
def test_a_process_that_is_cut_off_can_do_no_harm(tmp_path, monkeypatch):
    import json

    home = tmp_path / "hf_home"
    home.mkdir()
    (home / "token").write_text("hf_keeper")
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_TOKEN", "hf_keeper")
    folder = tmp_path / "job"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = [str(server.getsockname()[1]), str(os.getpid()), str(home / "token"), str(tmp_path)]
        output = tmp_path / "out.txt"
        code = run_isolated([sys.executable, "-c", PROBE, *arguments], folder, output, Limits(60, memory=4, file=1))
    assert code == 0, output.read_text()
    found = json.loads((folder / "found.json").read_text())
    assert found == {
        "connect to this machine": "OSError",
        "connect to the Hub": "OSError",
        "read the token": "FileNotFoundError",
        "allocate 30 GB": "MemoryError",
        "write outside": "OSError",
        "write to /tmp": "OSError",
        "kill the worker": "ProcessLookupError",
        "read the disk": "FileNotFoundError",
        "fill the disk": "OSError",
        "write into its folder": "done",
        "uncover the token": "failed",
        "make the disk writable": "failed",
        "become root anew": "failed",
        "processes": found["processes"],
        "secrets": [],
    }
    assert len(found["processes"]) <= 2
    assert (home / "token").read_text() == "hf_keeper"


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
