"""The public names of `clear_unlearning`, which a project's own `trainers` does not hide."""

import re
import shutil
from pathlib import Path

import pytest

import clear_unlearning
from tests.programs import run_python
from trainers import METHODS

FIXED = {
    "METHODS", "Log", "Quantity", "ScoreCallback", "Sides", "Terms", "Totals", "UnlearningConfig",
    "UnlearningTrainer", "evaluate_model", "load_clear", "score_log", "sequence_means", "token_mean",
}  # fmt: skip


def test_they_are_the_methods_and_a_few_functions():
    """Of a new method: two names in `__all__`, and a line above for type checkers."""
    of_methods = {kind.__name__ for pair in METHODS.values() for kind in pair}
    assert set(clear_unlearning.__all__) == FIXED | of_methods
    source = Path(str(clear_unlearning.__file__)).read_text().partition("__version__")[0]
    missing = [
        line
        for method, (trainer, config) in METHODS.items()
        if (line := f"from trainers.{method} import {config.__name__}, {trainer.__name__}") not in source
    ]
    assert missing == []


def test_each_is_the_object_of_its_room():
    for pair in METHODS.values():
        assert tuple(getattr(clear_unlearning, kind.__name__) for kind in pair) == pair
    for name in clear_unlearning.__all__:
        assert getattr(clear_unlearning, name).__doc__ or name in ("Quantity", "Sides", "Terms", "Totals"), name
    assert {"NPOTrainer", "load_clear"} <= set(dir(clear_unlearning))


def test_the_page_has_each_with_the_first_line_of_its_docstring():
    page = (Path(__file__).parents[1] / "docs/python.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page.partition("## Names")[2], re.MULTILINE))
    assert rows == {name: str(getattr(clear_unlearning, name).__doc__).splitlines()[0] for name in rows}
    assert [name for name in FIXED if f"`{name}`" not in page] == []


def test_a_name_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(AttributeError, match="no attribute 'NPUTrainer'; public are .*DPOConfig, .*NPOTrainer"):
        clear_unlearning.NPUTrainer  # noqa: B018


PROJECT = """
import sys
import clear_unlearning
assert not {"transformers", "trainers"} & set(sys.modules)
import trainers
from clear_unlearning import METHODS, NPOConfig, NPOTrainer, evaluate_model, load_clear, score_log
assert trainers.MINE and sys.modules["trainers"] is trainers
assert METHODS["npo"] == (NPOTrainer, NPOConfig)
assert METHODS["my_method.py:TNPOTrainer"][0].__name__ == "TNPOTrainer"
rows = [{"question": "Where was Mara born?", "answer": "In Riga."}]
args = {"max_steps": 1, "use_cpu": True, "save_strategy": "no", "warmup_steps": 0, "disable_tqdm": True}
trainer = NPOTrainer(sys.argv[1], NPOConfig("npo", **args), rows, rows)
trainer.train()
assert {name for name in sys.modules if name.partition(".")[0] == "trainers"} == {"trainers"}
"""


def test_a_project_may_have_trainers_of_its_own(tmp_path, mini_llama):
    """Both are imported in one program, and the suite's evaluate and train there."""
    (tmp_path / "trainers.py").write_text("MINE = True\n")
    (tmp_path / "main.py").write_text(PROJECT)
    shutil.copy(Path(__file__).parents[1] / "examples" / "my_method.py", tmp_path)
    done = run_python("main.py", mini_llama, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
