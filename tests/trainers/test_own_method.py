"""A method of one's own: found by file or module, trained, and recorded by the digest of its file."""

import json
import math
import shutil
import sys
from pathlib import Path

import pytest

from clear_pipeline.cli import main
from clear_pipeline.experiment.plan import cells_of
from tests.trainers.test_losses import BEFORE, terms
from trainers import METHODS, label_of
from trainers.visual import VISUAL_METHODS

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_method.py"
TNPO = f"{EXAMPLE}:TNPOTrainer"


def test_the_example_is_tnpo():
    """Worked by hand: forget tokens of .5, .5 and .25, before .5, 1 and .0625; retain of .5 x .2; beta 2.

    Ratios are 1, .5 and 4; log(1 + r^2) is log 2, log 1.25 and log 17, and 2/2 the factor.
    """
    forget = (math.log(2) + math.log(1.25) + math.log(17)) / 3
    found = terms(TNPO, BEFORE, beta=2.0, retain_weight=3.0)
    assert found == pytest.approx({"forget": forget, "retain": 3 * math.log(10) / 2}, abs=1e-6)
    assert len(EXAMPLE.read_text().splitlines()) < 60


def test_it_is_trained_and_known_by_its_file(tmp_path, mini_llava, mini_data, capsys):
    own = shutil.copyfile(EXAMPLE, tmp_path / "mine.py")
    command = ["unlearn", "--method", f"{own}:TNPOTrainer", "--model_name_or_path", str(mini_llava), "--dataset",
               str(mini_data), "--beta", "3.5", "--max_steps", "2", "--use_cpu", "true", "--report_to",
               "none", "--save_strategy", "no", "--output_dir", str(tmp_path / "out")]  # fmt: skip
    assert main(command) == 0
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (settings["method"], settings["settings"]["beta"]) == ("TNPO", 3.5)
    assert main(command) == 0  # finished
    with own.open("a") as file:
        file.write("# another\n")
    capsys.readouterr()
    assert main(command) == 2
    assert "out holds another run (method=" in capsys.readouterr().err


def test_a_module_will_do_and_rows_are_named_by_the_class(tmp_path, monkeypatch):
    shutil.copyfile(EXAMPLE, tmp_path / "mine_in_a_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    trainer, config = METHODS["mine_in_a_module:TNPOTrainer"]
    assert (trainer.__name__, config.__name__) == ("TNPOTrainer", "TNPOConfig")
    assert "mine_in_a_module" in sys.modules
    assert [cell.name for cell in cells_of(["npo", TNPO], ["both", "text"])][2:] == [
        "npo", "npo-text", "TNPO", "TNPO-text"
    ]  # fmt: skip
    assert label_of("npo") == "npo" and TNPO in METHODS and TNPO not in VISUAL_METHODS


@pytest.mark.parametrize(
    ("method", "content", "message"),
    [
        ("nowhere.py:A", None, "method 'nowhere.py:A': no file nowhere.py"),
        ("no.such.module:A", None, "method 'no.such.module:A': no module 'no.such.module'"),
        ("mine.py:Other", None, "mine.py has no class 'Other' that extends UnlearningTrainer; it has TNPOTrainer"),
        ("mine.py:TNPOConfig", None, "mine.py has no class 'TNPOConfig' that extends UnlearningTrainer"),
        ("mine.py:TNPOTrainer", ("args: TNPOConfig", "args: int"), "type of `args` must extend UnlearningConfig"),
        ("mine.py:TNPOTrainer", ("import nn", "import nothing"), "cannot import name 'nothing' from 'torch'"),
        ("npoo", None, "unknown method 'npoo'; did you mean 'npo'? choose from retain_finetune"),
        ("GradAscent", None, "unknown method 'GradAscent'; did you mean 'gradient_ascent'? choose from retain"),
    ],
)  # fmt: skip
def test_what_is_not_a_method_is_named(tmp_path, monkeypatch, capsys, method, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(EXAMPLE.read_text().replace(*content) if content else EXAMPLE.read_text())
    (tmp_path / "model").mkdir()
    (tmp_path / "clear").mkdir()
    command = ["unlearn", "--method", method, "--model_name_or_path", "./model", "--dataset", "./clear"]
    assert main([*command, "--output_dir", "out"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("error: ") and message in said[-1]
    assert not (tmp_path / "out").exists()
