"""What a process can do that is cut off: nothing but compute and write into its own folder."""

import os
import socket
import sys
import time

import pytest

from leaderboard_worker.sandbox import Limits, isolation_problem, run_isolated

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
