"""Run a process in its cage with limits, and read what it leaves behind.

The cage itself is `cage.py`. Address space and file size are limited for each process by the kernel. What all of them
use together (memory, number, disk, time) is looked at twice a second; what uses too much is ended with all that it
started.
"""

import ctypes
import json
import os
import resource
import select
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cage import PATH, caged

KEPT = ("LANG", "LC_ALL", "TZ", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH")
GIGABYTE = 2**30
MOST_SAID = 20_000  # bytes of what a process prints that are read
POLL = 0.5  # seconds
PATIENCE = 10.0  # seconds until all processes of a killed namespace must be gone


@dataclass(frozen=True)
class Limits:
    """What the sandboxed process may use.

    Attributes:
        seconds: Wall-clock time.
        memory: Gigabytes of address space of each process, and of the memory of all; 0 for no limit, which a GPU's
            driver needs.
        file: Gigabytes of one file.
        disk: Gigabytes by which the free space of the disk may shrink meanwhile.
        processes: How many there may be at a time.
    """

    seconds: float = 4 * 3600
    memory: float = 24
    file: float = 8
    disk: float = 32
    processes: int = 256


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the process: without tokens, only what a program needs to start."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT} | {"PATH": PATH}
    places = {"HOME": str(folder), "TMPDIR": str(folder / "tmp"), "HF_HOME": str(folder / "hf_home")}
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"), "1")
    return {**kept, **places, **offline, "TOKENIZERS_PARALLELISM": "false", **settings}


class BadOutput(ValueError):
    """The process left a file that this program does not read."""


def read_output(folder: Path, name: str, most_bytes: int) -> dict[str, Any]:
    """Read a JSON object that an untrusted process left in its folder.

    Args:
        folder: Folder of the process.
        name: Path inside the folder.
        most_bytes: Size limit.

    Raises:
        BadOutput: If the file or a folder on its path is missing, a link or not a regular file, or if its content is
            too large, not JSON or not an object.
    """
    *folders, file = Path(name).parts
    opened = []
    try:
        opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        for part in folders:
            opened.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        # O_NONBLOCK: opening a FIFO would wait for a writer
        opened.append(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        about = os.fstat(opened[-1])
        if not stat.S_ISREG(about.st_mode):
            raise BadOutput(f"{name} is not a regular file")
        if about.st_size > most_bytes:
            raise BadOutput(f"{name} has {about.st_size} bytes; at most {most_bytes} are read")
        with os.fdopen(opened.pop(), "rb") as content:
            read = json.loads(content.read(most_bytes))
    except OSError as error:
        raise BadOutput(f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadOutput):
            raise
        raise BadOutput(f"{name} is not valid JSON: {str(error)[:200]}") from error
    finally:
        for descriptor in opened:
            os.close(descriptor)
    if not isinstance(read, dict):
        raise BadOutput(f"{name} holds {type(read).__name__}; expected a JSON object")
    return read


def last_words(output: Path) -> str:
    """Return the end of what a process printed, which may be long."""
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - MOST_SAID))
        return file.read(MOST_SAID).decode("utf-8", "replace")


def remove_left(place: Path) -> None:
    """Remove what a process left, also folders within folders without end, or that may not be read."""
    if place.is_dir() and not place.is_symlink():
        # No links are followed, and no depth is too deep: `shutil.rmtree` gives up where Python's stack ends.
        remove = ["rm", "-rf", "--", str(place)]
        if subprocess.run(remove, capture_output=True, check=False).returncode != 0:
            subprocess.run(["chmod", "-R", "u+rwX", "--", str(place)], capture_output=True, check=False)
            subprocess.run(remove, capture_output=True, check=False)
    else:
        place.unlink(missing_ok=True)


def run_isolated(
    command: Sequence[str],
    folder: Path,
    output: Path,
    limits: Limits,
    isolated: bool = True,
    readable: Iterable[Path] = (),
    settings: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run a command in the sandbox.

    Args:
        command: What to run.
        folder: The only folder that it may write to; also its home.
        output: File for what it prints.
        limits: What it may use.
        isolated: False keeps only limits and environment, for machines without namespaces.
        readable: What it may read beside the system, Python and our packages.
        settings: Further environment variables.
        stopped: Polled; once it returns True all that was started is killed.

    Returns:
        Its exit code; if negative, the signal that ended it.

    Raises:
        TimeoutError: If it took too long.
        MemoryError: If it used too much memory or disk, or started too many processes.
    """
    folder = folder.resolve()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    parent = os.getpid()

    def prepare() -> None:
        """Die with the parent, and set the limits before anything else runs in the child."""
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
        if limits.memory:
            bytes_ = int(limits.memory * GIGABYTE)
            resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))
        bytes_ = int(limits.file * GIGABYTE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    free = shutil.disk_usage(folder).free
    with output.open("wb") as log:
        process = subprocess.Popen(
            caged(command, folder, readable) if isolated else command, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env=environment(folder, settings or {}), cwd=folder, start_new_session=True,
            preexec_fn=prepare,
        )  # fmt: skip
        until = time.monotonic() + limits.seconds
        try:
            while not stopped() and time.monotonic() < until:
                try:
                    code = process.wait(POLL)
                except subprocess.TimeoutExpired:
                    _check_use(process.pid, limits, free - shutil.disk_usage(folder).free)
                    continue
                return 128 - code if isolated and code > 128 else code  # the shell's way to name a signal
            if stopped():
                return -signal.SIGKILL
            raise TimeoutError(f"scoring took more than {limits.seconds:g} seconds")
        finally:
            if process.poll() is None:
                _end(process)


def started_by(process: int) -> dict[int, int]:
    """Return the processes that one has started, and those that these have, with the bytes of memory of each."""
    parents: dict[int, int] = {}
    bytes_: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                about = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line)
                parents[int(place.name)] = int(about["PPid"])
                kilobytes = (int(about.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem"))
                bytes_[int(place.name)] = 1024 * sum(kilobytes)
    found, waiting = {}, [process]
    while waiting:
        one = waiting.pop()
        children = [child for child, its in parents.items() if its == one]
        found |= {child: bytes_[child] for child in children}
        waiting += children
    return found


def _check_use(process: int, limits: Limits, disk: int) -> None:
    """Make sure that what runs keeps within what is looked at from outside.

    Raises:
        MemoryError: If it does not.
    """
    running = started_by(process)
    if len(running) > limits.processes:
        raise MemoryError(f"scoring started {len(running)} processes; at most {limits.processes} are allowed")
    if limits.memory and sum(running.values()) > limits.memory * GIGABYTE:
        raise MemoryError(f"all processes of scoring together need more than {limits.memory:g} GB")
    if disk > limits.disk * GIGABYTE:
        raise MemoryError(f"the disk has lost more than {limits.disk:g} GB while it was scored")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill all that was started, and wait until it is gone.

    In the cage that is the first process of the namespace, without which the kernel leaves no other alive, whatever
    group or session it has made for itself.
    """
    descriptors = []
    for child in started_by(process.pid):
        with suppress(ProcessLookupError):
            descriptors.append(os.pidfd_open(child))
            signal.pidfd_send_signal(descriptors[-1], signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + PATIENCE
    for descriptor in descriptors:
        select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        os.close(descriptor)
