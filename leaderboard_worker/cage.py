"""The cage of a scoring process: a root of its own, in which there is only what is named here.

It is made of Linux namespaces by `unshare` of util-linux, which needs no privileges where the system allows user
namespaces. The root is an empty tmpfs; into it come, read-only, the system's programs and libraries, this Python, our
packages, and what the job reads. One folder can be written to. There is no IP network and no other process to be seen,
all capabilities are dropped, and system calls that lead out are refused. The first process of the namespace is a shell
of ours, which the kernel does not let be killed from inside; with it all others end.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--ipc", "--pid", "--uts", "--cgroup", "--fork",
              "--kill-child", "--mount", "--mount-proc")  # fmt: skip
PROGRAMS = ("unshare", "setpriv", "mount", "umount", "pivot_root")
PATH = ":".join(filter(None, (os.environ.get("PATH"), "/usr/sbin", "/usr/bin", "/sbin", "/bin")))
DEVICES = ("null", "zero", "full", "random", "urandom")
# What of the system can be read, where there is it: programs, libraries, how the libraries are found, the processors.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ld.so.cache", "/etc/ld.so.conf",
          "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/sys/devices/system")  # fmt: skip
GPU_SYSTEM = ("/sys/bus", "/sys/class", "/sys/devices", "/sys/module")  # a GPU's driver looks there
ROOMS = ("clear_data", "clear_dataset.py", "clear_pipeline", "clear_unlearning", "evaluate_metrics", "trainers",
         "leaderboard_app", "leaderboard_worker")  # fmt: skip
FILTER = Path(__file__).with_name("system_calls.py")
# Before the folders are there; {root} is quoted, and has the folder's own name.
BEGIN = r"""
set -e
mount --make-rprivate /
mkdir -p {root}
mount -t tmpfs -o size=16m,mode=755,nosuid tmpfs {root}
mkdir {root}/proc {root}/dev {root}/dev/shm {root}/etc {root}/old
mount --rbind /proc {root}/proc
printf 'scoring:x:0:0::/:/bin/false\n' > {root}/etc/passwd
ln -s /proc/self/fd {root}/dev/fd
"""
READ_ONLY = r"""
while read -r _ place _; do
    place=$(printf '%b' "$place")
    case "$place" in
        {root} | {root}/proc | {root}/proc/*) ;;
        {root}/dev/*) ;;
        {root}/*) mount -o remount,bind,ro "$place" || mount -o remount,bind,ro,nosuid,nodev "$place" ;;
    esac
done < /proc/self/mounts
"""
END = r"""
mount -t tmpfs -o size=1g,nosuid,nodev tmpfs {root}/dev/shm
mkdir -p {root}{folder}
mount --bind {folder} {root}{folder}
cd {root}
pivot_root . old
umount -l /old
rmdir /old
mount -o remount,ro /
echo 0 > /proc/sys/user/max_user_namespaces || true
for name in sys sysrq-trigger irq bus fs acpi; do
    [ ! -e "/proc/$name" ] || {{ mount --bind "/proc/$name" "/proc/$name"; mount -o remount,bind,ro "/proc/$name"; }}
done
cd {folder}
setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
"""


@cache
def isolation_problem() -> str | None:
    """Return why this machine cannot build the cage, or None if it can; tried once."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]:
        return f"{', '.join(missing)} of util-linux is missing"
    with TemporaryDirectory() as folder:
        tried = subprocess.run(
            caged(["true"], Path(folder)), capture_output=True, text=True, check=False, env={"PATH": PATH}
        )
    return None if tried.returncode == 0 else (tried.stderr.strip() or f"unshare ends with {tried.returncode}")


def caged(command: Sequence[str], folder: Path, readable: Iterable[Path] = ()) -> list[str]:
    """Return a command that runs another one in the cage.

    Args:
        command: What to run; its program must be among what can be read.
        folder: The only folder that it may write to, where it starts.
        readable: What it may read beside the system, Python and our packages.
    """
    filtered = [sys.executable, "-I", "-S", str(FILTER), *command]
    return [*NAMESPACES, "sh", "-c", _script(folder.resolve(), readable), "cage", *filtered]


def _script(folder: Path, readable: Iterable[Path]) -> str:
    gpus = sorted(Path("/dev").glob("nvidia*"))
    system = [Path(place) for place in (*SYSTEM, *(GPU_SYSTEM if gpus else ())) if Path(place).exists()]
    links, places = _places([*system, *_python(), *readable])
    root = folder / "root"
    names = {"root": shlex.quote(str(root)), "folder": shlex.quote(str(folder))}
    steps = []
    for place in places:
        steps += _bind(place, root)
    for path, target in links.items():
        steps.append(f"mkdir -p {shlex.quote(str(root) + str(path.parent))}")
        steps.append(f"ln -sfn {shlex.quote(target)} {shlex.quote(str(root) + str(path))}")
    for device in (*(Path("/dev") / name for name in DEVICES), *gpus):
        if device.exists():
            steps += _bind(device, root)
    return "\n".join((BEGIN.format(**names), *steps, READ_ONLY.format(**names), END.format(**names)))


def _bind(place: Path, root: Path) -> list[str]:
    source, target, parent = (shlex.quote(path) for path in (str(place), f"{root}{place}", f"{root}{place.parent}"))
    made = f"mkdir -p {target}" if place.is_dir() else f"mkdir -p {parent} && : > {target}"
    return [made, f"mount --rbind {source} {target}"]


def _python() -> list[Path]:
    """Return where this Python and our packages are; of a source tree only the packages."""
    ours = Path(__file__).parents[1]
    found = [Path(sys.prefix), Path(sys.base_prefix), *(Path(sysconfig.get_path(n)) for n in ("purelib", "platlib"))]
    found += [Path(place) for place in os.environ.get("LD_LIBRARY_PATH", "").split(":") if place]
    return [place for place in (*found, *(ours / room for room in ROOMS)) if place.exists()]


def _places(wanted: Iterable[Path]) -> tuple[dict[Path, str], list[Path]]:
    """Return the links on the way to what is wanted, and the real places, none of them within another."""
    links: dict[Path, str] = {}
    real = set()
    for place in wanted:
        real.add(place.resolve())
        way = place.absolute()
        while way != way.resolve():  # the links one after the other
            first = next(path for path in (*reversed(way.parents), way) if path.is_symlink())
            target = str(first.readlink())
            links[first] = target
            way = Path(os.path.normpath(first.parent / target)) / way.relative_to(first)
    kept = [place for place in sorted(real) if not any(parent in real for parent in place.parents)]
    return {path: to for path, to in links.items() if not any(path.is_relative_to(p) for p in kept)}, kept
