"""Runs Python programs in processes of their own that have the large libraries already.

`python -c` or `python -m` of this project spends most of its seconds on importing torch and scipy. A server per test
session has imported them and forks for each program. It has nothing that reads the Hub's environment at import.
"""

import atexit
import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARIES = [
    "torch._dynamo", "torch.distributed.fsdp", "torch.distributed.tensor.parallel", "torch.onnx", "scipy.stats",
    "sklearn.linear_model", "pandas", "pyarrow.dataset", "rouge_score.rouge_scorer", "PIL.Image", "jinja2", "fsspec",
]  # fmt: skip

PATH = [place for place in sys.path if place]  # before a test adds to it, as evaluate does with its modules

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(LIBRARIES)


def run_python(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | str = ROOT, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Runs `python ARGUMENTS` as `subprocess.run` does: a file, `-c CODE` or `-m MODULE`, and what these are given."""
    command = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / name for name in ("stdout", "stderr")]
        process = _SERVER.Process(target=_program, args=(command, dict(env or os.environ), str(cwd), files, PATH))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        said, told = (file.read_text() for file in files)
    return subprocess.CompletedProcess([sys.executable, *command], process.exitcode or 0, said, told)


def _program(command: list[str], env: dict[str, str], cwd: str, files: list[Path], path: list[str]) -> None:
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(number, "w", closefd=False), write_through=True) for number in (1, 2)
    )
    os.chdir(cwd)
    if "huggingface_hub" in sys.modules:  # a test's __main__ came along and has read another environment
        os.execve(sys.executable, [sys.executable, *command], env)
    os.environ.clear()
    os.environ.update(env)
    what, *given = command
    sys.path[:] = path
    if what in ("-c", "-m"):
        name, *given = given
        sys.argv, sys.path[0:0] = [what, *given], ["", *env.get("PYTHONPATH", "").split(os.pathsep)]
    else:
        name = what
        sys.argv, sys.path[0:0] = [what, *given], [str(Path(what).parent), env.get("PYTHONPATH", "")]
    try:
        if what == "-c":
            exec(compile(name, "<string>", "exec"), {"__name__": "__main__"})
        elif what == "-m":
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
