"""What `worker --check` prints: what a scoring process cannot do on this machine, each line tried in its cage."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .cage import isolation_problem
from .sandbox import BadOutput, Limits, last_words, read_output, run_isolated

FOUND = "found.json"
STARTED = 5.0  # seconds after which a process must have begun, on a busy machine too
# Tried inside, by a process that was started as the one that loads a model; what raises no error is open.
INSIDE = r"""
import ctypes, json, os, socket, subprocess, sys

given = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def connect(family, address):
    with socket.socket(family) as opened:
        opened.settimeout(2)
        opened.connect(address)

def run(*command):
    subprocess.run(command, check=True, capture_output=True)

def has_privileges():
    if "CapEff:\t0000000000000000" in open("/proc/self/status").read():
        raise PermissionError("none")

def end_guard():
    if open("/proc/1/comm").read() == "sh\n":  # only ever the cage's own
        os.kill(1, 9)
        raise PermissionError("it is still there")

ACTS = {
    "connect to this machine": lambda: connect(socket.AF_INET, ("127.0.0.1", given["port"])),
    "connect to a unix socket": lambda: connect(socket.AF_UNIX, given["unix"]),
    "connect to a socket without a file": lambda: connect(socket.AF_UNIX, "\0" + given["abstract"]),
    "open a socket to the host of a virtual machine": lambda: socket.socket(40, socket.SOCK_STREAM).close(),
    "open a socket to the kernel": lambda: socket.socket(16, socket.SOCK_RAW).close(),
    "open io_uring": lambda: call("syscall", 425, 1, ctypes.byref(ctypes.create_string_buffer(256))),
    "read a file of the worker": lambda: open(given["secret"]).read(),
    "read what is in the worker's home": lambda: os.stat(given["home"]),
    "write outside its folder": lambda: open(given["outside"] + "/x", "w").close(),
    "write into a program": lambda: open(sys.executable, "r+b").close(),
    "change the system's settings": lambda: open("/proc/sys/kernel/core_pattern", "r+").close(),
    "see the worker's process": lambda: os.kill(given["pid"], 0),
    "look into its guard": lambda: open("/proc/1/mem", "rb").close(),
    "end its guard": end_guard,
    "make namespaces": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"tmpfs", b".", b"tmpfs", 0, None),
    "become root anew": lambda: run("unshare", "--user", "--map-root-user", "--mount", "true"),
    "trace a process": lambda: call("ptrace", 0, 0, None, None),
    "use privileges": has_privileges,
    "use more address space than it may": lambda: bytearray(given["bytes"]),
    "write a larger file than it may": lambda: os.truncate(open("large", "w").fileno(), 2**40),
}
found = {}
for name, act in ACTS.items():
    try:
        act()
    except BaseException as error:
        found[name] = type(error).__name__
    else:
        found[name] = ""
json.dump(found, open("found.json", "w"))
"""
# Processes that leave their session and forget whose death they should follow, the first one too.
DAEMON = """
import contextlib, ctypes, os, time
def leave():
    ctypes.CDLL(None).prctl(1, 0)
    with contextlib.suppress(OSError):
        os.setsid()
leave()
until = time.time() + 20
for _ in range(2):
    if os.fork():
        time.sleep(20)
        os._exit(0)
    leave()
while time.time() < until:
    open("alive", "a").write("x")
    time.sleep(0.05)
"""
HOARD = "import os, time\nfor _ in range(3): os.fork()\nkept = bytearray(os.urandom(2**20) * 120)\ntime.sleep(60)"
CROWD = "import os, time\nfor _ in range(400):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"


@dataclass(frozen=True)
class Line:
    """What was tried, whether the cage holds, and what happened."""

    what: str
    holds: bool
    how: str

    def __str__(self) -> str:
        """Return it as it is printed."""
        return f"{'holds: it cannot' if self.holds else 'OPEN: it can'} {self.what} ({self.how})"


def check_cage(work: Path) -> Iterator[Line]:
    """Try what a hostile process would; yield a line for each attempt.

    Args:
        work: Folder of the worker, where processes have their folders.

    Raises:
        ValueError: If this machine has no cage at all.
    """
    if problem := isolation_problem():
        raise ValueError(f"this machine cannot build the cage: {problem}")
    work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work) as folder:
        yield from _tried_inside(Path(folder))
        yield _outlived(Path(folder))
        yield _used("use more memory by many processes", HOARD, Path(folder), Limits(60, memory=0.5))
        yield _used("start many processes", CROWD, Path(folder), Limits(60, memory=4, processes=100))
    yield Line("use for half a second more than all may together", False, "no cgroup holds it: the worker looks at it")


def _tried_inside(outside: Path) -> Iterator[Line]:
    folder, output, secret = outside / "job", outside / "out.txt", outside / "leaderboard.sqlite-wal"
    folder.mkdir()
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix, abstract = (opened.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        place = Path(opened.enter_context(TemporaryDirectory(prefix="s"))) / "s"  # such a name must be short
        unix.bind(str(place))
        unix.listen()
        abstract.bind(f"\0{place}")
        abstract.listen()
        secret.write_text("a store that is made meanwhile")
        given = {
            "port": server.getsockname()[1], "unix": str(place), "abstract": str(place), "secret": str(secret),
            "home": str(_in_home()), "outside": str(outside), "pid": os.getpid(), "bytes": 8 * 2**30,
        }  # fmt: skip
        command = [sys.executable, "-c", INSIDE, json.dumps(given)]
        run_isolated(command, folder, output, Limits(120, memory=4, file=1))
    try:
        found = read_output(folder, FOUND, 2**20)
    except BadOutput as error:
        raise ValueError(f"the cage does not start: {error}; {last_words(output)[-300:]}") from error
    for what, error in found.items():
        yield Line(what, error != "", error or "it could")


def _in_home() -> Path:
    """Return something in the home of the worker's user that is not on the way to a program."""
    programs = [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), Path(__file__).resolve()]
    found = [path for path in Path.home().iterdir() if not any(p.is_relative_to(path.resolve()) for p in programs)]
    return found[0] if found else Path.home() / ".netrc"


def _outlived(outside: Path) -> Line:
    folder = outside / "daemon"
    folder.mkdir()
    try:
        run_isolated([sys.executable, "-c", DAEMON], folder, outside / "out.txt", Limits(STARTED, memory=4))
        how = "it ended by itself"
    except TimeoutError:
        how = "its time was over"
    alive = folder / "alive"
    last = alive.read_text() if alive.exists() else ""
    time.sleep(0.3)
    gone = last != "" and alive.read_text() == last
    return Line("live on when its time is over", gone, how if last else "it did not start")


def _used(what: str, program: str, outside: Path, limits: Limits) -> Line:
    folder = outside / what.replace(" ", "-")
    folder.mkdir()
    try:
        code = run_isolated([sys.executable, "-c", program], folder, outside / "out.txt", limits)
    except MemoryError as error:
        return Line(what, True, str(error))
    except TimeoutError as error:
        return Line(what, False, str(error))
    return Line(what, code != 0, f"it ended with {code}")
