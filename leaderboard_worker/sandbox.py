"""A process that is cut off: no network, no token, nothing to write to but its own folder, bounded memory and time.

Linux namespaces by `unshare` of util-linux, which needs no privileges where the system allows user namespaces. Inside,
the whole file system is read-only, the folders of secrets are empty, `/dev` has what a program needs, other processes
cannot be seen, and all capabilities are given up, so that none of it can be undone.
"""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    """What a process may use.

    Attributes:
        seconds: Time by the clock.
        memory: Gigabytes of address space; 0 for no limit, which a GPU's driver needs.
        file: Gigabytes that one file may have.
    """

    seconds: float = 4 * 3600
    memory: float = 24
    file: float = 8


def isolation_problem() -> str | None:
    """Why a process cannot be cut off on this machine; None if it can."""
    missing = [name for name in ("unshare", "setpriv", "mount") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} of util-linux is missing"
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else (tried.stderr.strip() or f"unshare ends with {tried.returncode}")


def secret_places(*more: Path) -> list[str]:
    """Files and folders that a cut-off process must not read: where tokens lie, and what the caller adds."""
    home = Path.home()
    named = [os.environ.get(name) for name in ("HF_HOME", "HF_TOKEN_PATH")]
    places = [*(home / name for name in SECRETS), *(Path(name) for name in named if name), *more]
    return [str(place.resolve()) for place in places if place.exists()]


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a cut-off process: no token, nothing of the caller's but what a program needs to start."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    places = {"HOME": str(folder), "TMPDIR": str(folder / "tmp"), "HF_HOME": str(folder / "hf_home")}
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"), "1")
    return {**kept, **places, **offline, "TOKENIZERS_PARALLELISM": "false", **settings}


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
    """Runs a command cut off from everything but its folder.

    Args:
        command: What to run.
        folder: The only place that it may write to; also its home.
        output: File for what it prints.
        limits: What it may use.
        isolated: Off, only limits and environment hold: for machines without namespaces.
        hidden: Files and folders that it must not read, beside those of tokens.
        settings: More of its environment.
        stopped: Asked from time to time; if it is true the process is killed.

    Returns:
        Its exit code; negative: the signal that ended it.

    Raises:
        TimeoutError: If it took too long; it has been killed with all that it started.
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
        """In the child: ends with its parent, and has its limits before anything else happens."""
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
