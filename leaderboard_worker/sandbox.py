"""Run a process in a sandbox, and read what it leaves behind.

The sandbox is made of Linux namespaces by `unshare` of util-linux, which needs no privileges where the system allows
user namespaces. Inside there is no IP network, other processes are invisible, the file system is read-only except for
one folder, the known folders of tokens are empty, `/dev` has only what a program needs, and all capabilities are
dropped. Address space, file size and time are limited for each process. Unix sockets of the machine can be reached,
and the limits do not bound what many processes use together: give the worker a user of its own.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount",
              "--mount-proc")  # fmt: skip
SECRETS = (".cache/huggingface", ".huggingface", ".ssh", ".config", ".aws", ".netrc", ".git-credentials", ".docker")
DEVICES = ("null", "zero", "full", "random", "urandom")
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH")
GIGABYTE = 2**30
POLL = 0.5  # seconds
# $1: the folder that may be written to; $2: how many folders to empty, which follow; then the command.
SETUP = r"""
set -e
folder=$1; count=$2; shift 2
mount --make-rprivate /
mount --bind "$folder" "$folder"
devices=$folder/dev
mkdir -p "$devices"
mount -t tmpfs -o size=64k,mode=755 tmpfs "$devices"
for name in $DEVICES; do
    if [ -d "/dev/$name" ]; then mkdir -p "$devices/$name"; mount --rbind "/dev/$name" "$devices/$name"
    elif [ -e "/dev/$name" ]; then : > "$devices/$name"; mount --bind "/dev/$name" "$devices/$name"; fi
done
mkdir "$devices/shm"
ln -s /proc/self/fd "$devices/fd"
mount --move "$devices" /dev
mount -t tmpfs -o size=1g tmpfs /dev/shm
while [ "$count" -gt 0 ]; do
    if [ -d "$1" ]; then mount -t tmpfs -o size=4k,mode=500 tmpfs "$1"
    elif [ -e "$1" ]; then mount --bind /dev/null "$1"; fi
    count=$((count - 1)); shift
done
while read -r _ place _; do
    place=$(printf '%b' "$place")
    case "$place" in
        "$folder" | /proc | /proc/* | /dev | /dev/*) ;;
        *) mount -o remount,bind,ro "$place" 2>/dev/null || mount -t tmpfs -o size=4k,mode=500 tmpfs "$place" ;;
    esac
done < /proc/self/mounts
cd "$folder"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
"""


@dataclass(frozen=True)
class Limits:
    """What the sandboxed process may use.

    Attributes:
        seconds: Wall-clock time.
        memory: Gigabytes of address space of each process; 0 for no limit, which a GPU's driver needs.
        file: Gigabytes of one file.
    """

    seconds: float = 4 * 3600
    memory: float = 24
    file: float = 8


def isolation_problem() -> str | None:
    """Return why this machine cannot run the sandbox, or None if it can."""
    missing = [name for name in ("unshare", "setpriv", "mount") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} of util-linux is missing"
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else (tried.stderr.strip() or f"unshare ends with {tried.returncode}")


def secret_places(*more: Path) -> list[str]:
    """Return the files and folders that the process must not read: those of tokens, and `more`."""
    home = Path.home()
    named = [os.environ.get(name) for name in ("HF_HOME", "HF_TOKEN_PATH")]
    places = [*(home / name for name in SECRETS), *(Path(name) for name in named if name), *more]
    return [str(place.resolve()) for place in places if place.exists()]


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the process: without tokens, only what a program needs to start."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
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


def run_isolated(
    command: Sequence[str],
    folder: Path,
    output: Path,
    limits: Limits,
    isolated: bool = True,
    hidden: Sequence[Path] = (),
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
        hidden: Further files and folders that it must not read.
        settings: Further environment variables.
        stopped: Polled; once it returns True the process group is killed.

    Returns:
        Its exit code; if negative, the signal that ended it.

    Raises:
        TimeoutError: If it took too long; its process group has been killed.
    """
    folder = folder.resolve()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    variables = environment(folder, settings or {})
    if isolated:
        places = secret_places(*hidden)
        devices = [*DEVICES, *(path.name for path in Path("/dev").glob("nvidia*"))]
        variables["DEVICES"] = " ".join(devices)
        command = [*NAMESPACES, "sh", "-c", SETUP, "setup", str(folder), str(len(places)), *places, *command]
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

    with output.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, cwd=folder,
            start_new_session=True, preexec_fn=prepare,
        )  # fmt: skip
        until = time.monotonic() + limits.seconds
        try:
            while not stopped() and time.monotonic() < until:
                try:
                    return process.wait(POLL)
                except subprocess.TimeoutExpired:
                    continue
            if stopped():
                return -signal.SIGKILL
            raise TimeoutError(f"scoring took more than {limits.seconds:g} seconds")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
