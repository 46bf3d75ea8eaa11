"""The notebooks of `examples/`: short, without stored outputs, and run as they stand."""

import json
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import clear_dataset
from clear_pipeline import cli

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = ["quick_tour", "own_method"]  # in this order: the second uses what the first has made
COMMANDS = {"clear-unlearning": cli.main, "python -m clear_dataset": clear_dataset.main}


def code_cells(name: str) -> list[dict[str, Any]]:
    cells = json.loads((EXAMPLES / f"{name}.ipynb").read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cell(source: str, names: dict[str, Any]) -> None:
    """Runs Python, or a command behind `!` in this process."""
    if not source.startswith("!"):
        return exec(source, names)
    found = re.fullmatch(rf"!({'|'.join(COMMANDS)}) (.*)", source.replace("\\\n", ""), re.DOTALL)
    assert found and COMMANDS[found[1]](shlex.split(found[2])) == 0
    return None


def test_they_store_no_outputs_and_are_all_listed():
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)
    assert [cell for name in NOTEBOOKS for cell in code_cells(name) if cell["outputs"]] == []


@pytest.mark.slow
def test_they_run_as_they_stand_and_forget(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = {}
    for name in NOTEBOOKS:
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)  # as `__main__` is: a class of it can be saved
        left[name] = vars(module)
        for cell in code_cells(name):
            run_cell("".join(cell["source"]), left[name])
    distances = {name: scores["forget_quality_statistic"] for name, scores in left["quick_tour"]["scores"].items()}
    assert distances["npo"] < distances["original"]
    watched = [row for row in left["own_method"]["trainer"].state.log_history if "forget" in row]
    assert len(watched) == 4 and watched[-1]["forget"] < watched[0]["forget"]
