import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.step import Step


def write(path: Path, after: list[Path], progress) -> None:
    missing = [str(other) for other in after if not other.exists()]
    if missing:
        raise ValueError(f"{path.name} came before {missing}")
    progress(1, 2)
    time.sleep(0.05)
    path.write_text("done")
    progress(2, 2)


def fail(progress) -> None:
    raise ValueError("no such flower")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


def test_steps_run_after_those_that_they_need(tmp_path, console):
    a, b, c = (tmp_path / name for name in "abc")
    steps = [
        Step("c", write, {"path": c, "after": [a, b]}, ["a", "b"]),
        Step("b", write, {"path": b, "after": [a]}, ["a"]),
        Step("a", write, {"path": a, "after": []}),
    ]
    run_steps(steps, console, workers=2)
    assert c.read_text() == "done"
    assert console.file.getvalue().splitlines() == ["1/3 a", "2/3 b", "3/3 c"]


def test_an_error_names_its_step_and_stops_those_behind_it(tmp_path, console):
    steps = [Step("rose", fail, {}), Step("later", write, {"path": tmp_path / "x", "after": []}, ["rose"])]
    with pytest.raises(ValueError, match="no such flower") as caught:
        run_steps(steps, console, workers=1)
    assert "in step 'rose'" in caught.value.__notes__
    assert not (tmp_path / "x").exists()


def test_a_circle_is_an_error(console):
    steps = [Step("a", fail, {}, ["b"]), Step("b", fail, {}, ["a"])]
    with pytest.raises(ValueError, match="wait for one another"):
        run_steps(steps, console, workers=1)


def wait_long(path: Path, progress) -> None:
    path.write_text("started")
    for second in range(60):
        progress(second, 60)
        time.sleep(1)


RUN = """
import io, sys
from pathlib import Path
from rich.console import Console
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.step import Step
from tests.clear_pipeline.test_executor import wait_long
if __name__ == "__main__":
    try:
        run_steps([Step("long", wait_long, {"path": Path(sys.argv[1])})], Console(file=io.StringIO()), workers=2)
    except KeyboardInterrupt:
        print("stopped")
"""


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def long_run(tmp_path):
    """A process that is in the middle of a long step, at the head of a group of its own."""
    (tmp_path / "run.py").write_text(RUN)
    started = tmp_path / "started"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "run.py", started], start_new_session=True, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    wait_for(started.exists)
    yield process
    if not is_gone(process.pid):
        os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_stops_the_workers_quietly(long_run):
    """The signal goes to every process, as from a terminal; workers leave nothing on the screen and none stays."""
    os.killpg(long_run.pid, signal.SIGINT)
    assert long_run.communicate(timeout=30) == ("stopped\n", "")
    wait_for(lambda: is_gone(long_run.pid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_first_process(long_run, number):
    long_run.send_signal(number)
    long_run.wait()
    wait_for(lambda: is_gone(long_run.pid))
