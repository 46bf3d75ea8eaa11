"""What a process can do in its cage: nothing but compute, read what it is given, and write into its own folder."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leaderboard_worker import cage, cage_check
from leaderboard_worker.cage import FILTER, isolation_problem
from leaderboard_worker.cage_check import STARTED, check_cage
from leaderboard_worker.commands import worker
from leaderboard_worker.sandbox import Limits, run_isolated, started_by
from leaderboard_worker.system_calls import ALLOW, NUMBERS, instructions

needs_namespaces = pytest.mark.skipif(isolation_problem() is not None, reason=f"{isolation_problem()}")

# Left where a worker's user has such things; none may be readable, whenever it is made.
SECRETS = (".gitconfig", ".npmrc", ".pypirc", ".netrc", ".kube/config", "xdg/huggingface/token", "leaderboard.sqlite",
           "leaderboard.sqlite-wal", "runs/worker/jobs/2-1-other/model/model.safetensors", ".git/config",
           "run/docker.sock")  # fmt: skip


@needs_namespaces
def test_every_line_of_the_check_holds_on_this_machine(tmp_path, capsys):
    worker(["--check", "--work", str(tmp_path / "work")])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("holds: it cannot ")] == [
        "OPEN: it can use for half a second more than all may together (no cgroup holds it: the worker looks at it)"
    ]
    for what in ("connect to a unix socket", "live on when its time is over", "start many processes"):
        assert any(line.startswith(f"holds: it cannot {what} (") for line in lines)
    assert list((tmp_path / "work").iterdir()) == []


@needs_namespaces
def test_of_the_disk_only_what_it_is_given_can_be_read(tmp_path, monkeypatch):
    for name in SECRETS[:4]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("hf_keeper")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_keeper")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder, given = tmp_path / "job", tmp_path / "given"
    folder.mkdir()
    given.mkdir()
    (given / "rows").write_text("rows")
    (tmp_path / "link").symlink_to(given)
    code = (
        "import json, os, sys, time\nfrom pathlib import Path\n"
        "while not Path('go').exists(): time.sleep(0.02)\n"
        "seen = [str(place) for place in map(Path, sys.argv[1:]) if place.exists()]\n"
        "listed = sorted(str(p) for p in Path(os.environ['HOME']).parent.iterdir())\n"
        "said = [name for name, value in os.environ.items() if 'hf_keeper' in value]\n"
        "Path('found.json').write_text(json.dumps([seen, listed, said, Path(sys.argv[-1], 'rows').read_text()]))\n"
    )
    secrets = [str(tmp_path / name) for name in SECRETS]
    command = [sys.executable, "-c", code, *secrets, str(tmp_path / "link")]

    def made_meanwhile() -> bool:
        for name in SECRETS[4:]:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("hf_keeper")
        (folder / "go").touch()
        return False

    done = run_isolated(
        command, folder, tmp_path / "out", Limits(60, memory=4), readable=[tmp_path / "link"], stopped=made_meanwhile
    )
    assert done == 0, (tmp_path / "out").read_text()
    seen, listed, said, rows = json.loads((folder / "found.json").read_text())
    assert (seen, said, rows) == ([str(tmp_path / "link")], [], "rows")
    assert listed == [str(tmp_path / name) for name in ("given", "job", "link")]


CLEARS = "import ctypes; ctypes.CDLL(None).prctl(1, 0); "
ESCAPES = {
    "a session of its own": "os.setsid() if os.fork() == 0 else None",
    "a forgotten parent": "ctypes.CDLL(None).prctl(1, 0)",
    "a daemon": "(os.fork() and os._exit(0), os.setsid(), os.fork() and os._exit(0))",
    "deaf to signals": "[signal.signal(number, signal.SIG_IGN) for number in (1, 2, 15)]",
    "stopped": "os.kill(os.getpid(), 19) if os.fork() == 0 else os.setsid() if os.fork() == 0 else None",
}


@needs_namespaces
@pytest.mark.parametrize(("name", "end"), [*((name, "time") for name in ESCAPES), ("a daemon", "withdrawn"),
                                          ("a daemon", "exit")])  # fmt: skip
def test_nothing_that_was_started_lives_on(tmp_path, name, end):
    """Each writes into a file again and again: none may grow once the run has ended."""
    folder, before = tmp_path / "job", started_by(os.getpid()).keys()  # other tests keep processes, too
    folder.mkdir()
    code = (
        "import contextlib, ctypes, os, signal, time\nctypes.CDLL(None).prctl(1, 0)\n"
        "with contextlib.suppress(OSError): os.setsid()\nuntil = time.time() + 30\n"
        f"if os.fork() == 0:\n    {ESCAPES[name]}\n    ctypes.CDLL(None).prctl(1, 0)\n"
        "    while time.time() < until:\n        open(f'alive-{os.getpid()}', 'a').write('x')\n"
        "        time.sleep(0.02)\n"
        "while not [name for name in os.listdir() if 'alive' in name]: time.sleep(0.02)\n"
        f"time.sleep({0.1 if end == 'exit' else 60})\n"
    )
    command = [sys.executable, "-c", code]
    try:
        run_isolated(
            command, folder, tmp_path / "out", Limits(STARTED if end == "time" else 60, memory=4),
            stopped=lambda: end == "withdrawn" and any(folder.glob("alive-*")),
        )  # fmt: skip
    except TimeoutError:
        assert end == "time"
    assert started_by(os.getpid()).keys() <= before
    seen = {path.name: path.read_text() for path in folder.glob("alive-*")}
    assert seen
    time.sleep(0.15)
    assert {path.name: path.read_text() for path in folder.glob("alive-*")} == seen


@needs_namespaces
def test_what_it_leaves_dies_with_a_worker_that_is_killed(tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    code = (
        "import contextlib, ctypes, os, time; ctypes.CDLL(None).prctl(1, 0)\n"
        "with contextlib.suppress(OSError): os.setsid()\n"
        "if os.fork() == 0: os.setsid()\n"
        "until = time.time() + 30\nwhile time.time() < until: open('alive', 'a').write('x'); time.sleep(0.02)"
    )
    program = (
        "import sys; from pathlib import Path; from leaderboard_worker.sandbox import Limits, run_isolated\n"
        f"run_isolated([sys.executable, '-c', {code!r}], Path({str(folder)!r}), Path({str(tmp_path / 'out')!r}),"
        " Limits(60, memory=4))"
    )
    alive = folder / "alive"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        until = time.monotonic() + 30
        while not alive.exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    time.sleep(0.5)
    last = alive.read_text()
    time.sleep(0.2)
    assert alive.read_text() == last != ""


@pytest.mark.parametrize("machine", NUMBERS)
def test_the_filter_answers_as_the_table_says(machine):
    """The filter's own machine, in Python: load, jump, return."""

    def answer(number: int, flags: int = 0, architecture: int | None = None) -> int:
        given = {0: number, 4: architecture or NUMBERS[machine][0], 16: flags}
        program, place, loaded = instructions(machine), 0, 0
        while True:
            code, yes, no, value = program[place]
            if code == 0x06:
                return value
            if code == 0x20:
                loaded, place = given[value], place + 1
            else:
                taken = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
                place += 1 + (yes if taken else no)

    numbers = NUMBERS[machine][1]
    for name, number in numbers.items():
        if name != "clone":
            assert answer(number) == 0x00050000 | (38 if name == "clone3" else 1), name
    assert answer(numbers["clone"], 0x11) == ALLOW  # fork
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(numbers["clone"], flag | 0x11) == 0x00050001
    assert answer(numbers["socket"], architecture=0x40000003) == 0x80000000  # the 32-bit calls
    assert answer(0) == ALLOW
    if machine == "x86_64":
        assert answer(0x40000000 | 41) == 0x00050001


@pytest.mark.skipif(platform.machine() not in NUMBERS, reason="the filter has no numbers for this machine")
def test_the_filter_holds_without_a_cage_too(tmp_path):
    code = "import socket; socket.socketpair()[0].close(); socket.socket(socket.AF_UNIX)"
    done = subprocess.run([sys.executable, "-I", "-S", str(FILTER), sys.executable, "-c", code],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert "PermissionError" in done.stderr and "socketpair" not in done.stderr.splitlines()[-1]


def test_a_machine_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="unknown machine 's390x'; known: x86_64, aarch64"):
        instructions("s390x")


@needs_namespaces
def test_the_check_tells_what_is_open(tmp_path, monkeypatch):
    """In a cage with its own root and processes, but without the filter and with the capabilities of its guard."""
    (tmp_path / "open").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(cage, "FILTER", tmp_path / "open" / "filter.py")
    cage.FILTER.write_text("import os, sys; os.execvp(sys.argv[1], sys.argv[1:])")
    guarded = "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "
    assert guarded in cage.END
    monkeypatch.setattr(cage, "END", cage.END.replace(guarded, ""))
    monkeypatch.setattr(cage, "ROOMS", (*cage.ROOMS, str(tmp_path / "open")))
    found = {line.what: line.holds for line in cage_check._tried_inside(tmp_path / "work")}
    for what in ("open a socket to the kernel", "mount", "use privileges", "look into its guard"):
        assert found[what] is False, what
    for what in ("connect to this machine", "read a file of the worker", "see the worker's process"):
        assert found[what] is True, what


def test_without_a_cage_the_check_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("leaderboard_worker.cage_check.isolation_problem", lambda: "no user namespaces")
    with pytest.raises(ValueError, match="cannot build the cage: no user namespaces"):
        list(check_cage(tmp_path))


def test_a_worker_without_a_cage_ends_its_processes_too(tmp_path):
    (tmp_path / "job").mkdir()
    code = "import subprocess, time; subprocess.Popen(['sleep', '61.5']); time.sleep(61.5)"
    with pytest.raises(TimeoutError, match="more than 0.8 seconds"):
        run_isolated([sys.executable, "-c", code], tmp_path / "job", tmp_path / "out", Limits(0.8), isolated=False)
    assert not any("61.5" in place.read_text() for place in Path("/proc").glob("[0-9]*/cmdline") if place.exists())
