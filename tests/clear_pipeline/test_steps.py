import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from clear_pipeline.steps import Step, run_steps


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
    assert "2/2" in console.file.getvalue()


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
