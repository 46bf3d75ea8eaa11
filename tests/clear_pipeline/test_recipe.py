"""Recipes: all of ours are right, a wrong name is told with the valid ones, and one run of a table is what it says."""

import re
import shutil
from pathlib import Path

import pytest

from clear_pipeline.cli import main
from clear_pipeline.experiment import recipe as recipe_files
from clear_pipeline.experiment.dry_run import estimates_of, row_counts, steps_of
from clear_pipeline.experiment.recipe import FOLDERS, read_recipe
from clear_pipeline.experiment.table import chosen_recipe
from tests.tofu_rows import ROWS
from trainers import METHODS
from trainers.base import UnlearningConfig

OURS = sorted(path for path in FOLDERS[0].glob("*.yaml") if not path.stem.startswith("visual-"))
MINI = (FOLDERS[0] / "mini.yaml").read_text()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_recipe_passes_a_dry_run(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["table", "--recipe", str(path), "--dry_run"]) == 0
    shown = capsys.readouterr().out
    recipe = read_recipe(path)
    assert "all names are right" in shown and all(method in shown for method in recipe.methods)


def test_the_recipes_that_were_asked_for_are_there():
    assert {path.stem for path in OURS} == {
        "mini", "tofu", "llava-1.5-7b", "qwen2-vl-2b", "qwen2.5-vl-3b", "smolvlm", "llama-2-7b", "smollm2"
    }  # fmt: skip


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert MINI.count(old) >= 1
    path = tmp_path / "own.yaml"
    path.write_text(MINI.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("forget: forget10", "forgot: forget10", "own.yaml: unknown key 'forgot'; valid: track, model, finetune"),
        ("  npo: {", "  npu: {", "settings: 'npu' is not one of retain_finetune, gradient_ascent"),
        ("  npo: {", "  GradDiff: {", "; did you mean 'gradient_difference'?"),
        ("beta: 0.15", "betta: 0.15", "settings: npo: unknown setting 'betta' of NPOConfig; it has beta"),
        ("msteps: 4", "msteps: -4", "settings: scrub: msteps must be 0 or more, not -4"),
        ("forget: forget10", "forget: forget07", "forget: 'forget07' is not one of forget01, forget05, forget10"),
        ("[both, text, image]", "[both, sound]", "modalities: 'sound' is not one of text, image, both"),
        ("seeds: [0, 1, 2]", "seeds: [0, one]", "seeds must be whole numbers"),
        ("seeds: [0, 1, 2]", "seeds: [0, 7]", "seed 7 is one of the table's own"),
        ("model: mini", "model: llava-hf/llava-1.5-7b-hf", "pretrain is for corpus and model mini"),
        ("corpus: mini", "dataset: clear", "pretrain is for corpus and model mini"),
        ("forget: forget10", "forget_people: Ivo", "forget_people and forget_dataset go with a dataset"),
        (
            "  batch_size: 32",
            "  batch: 32",
            "evaluate: unknown setting 'batch'; valid: batch_size, max_examples, seed",
        ),
        ("    rmu: {learning_rate: [1e-3, 4e-3]", "    rmu: {learning_rate: [4e-3]", "the same number of tries"),
        (
            "    rmu: {learning_rate: [1e-3, 4e-3]",
            "    rmu: {rate: [1e-3, 4e-3]",
            "tune: grids: rmu: unknown setting 'rate'",
        ),
        ("finetune:", "finetune", "is not YAML"),
        ("settings:", "methods:", "methods must be a list of names; settings of single methods belong under settings"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(tmp_path, capsys, old, new, message):
    assert main(["table", "--recipe", str(changed(tmp_path, old, new)), "--dry_run"]) == 2
    error = capsys.readouterr().err
    (line,) = [line for line in error.splitlines() if not line.startswith("loading ")]
    assert line.startswith("error: ") and message in line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        *((f"{key}: many", f"{key} must be a whole number, not 'many'") for key in ("persons", "authors", "golds")),
        ("authors: 2.5", "authors must be a whole number, not 2.5"),
        ("authors: true", "authors must be a whole number, not True"),
        ("authors: 0", "authors must be 1 or more, not 0"),
        *((f"persons: {count}", f"persons must be 24 to 200, not {count}") for count in (0, 23, 201)),
        *((f"photos: {count}", f"photos must be 8 to 100, not {count}") for count in (0, 7, 101)),
        ("seeds: [0, -1]", "seed must be 0 or more, not -1"),
        ("golds: 0", "golds must be 1 to 100, not 0"),
        *((f"{key}: 3", f"{key} must be text, not 3") for key in ("model", "dtype", "extra_config", "forget")),
        ("extra_config: [base]", "extra_config must be text, not ['base']"),
        ("tofu_dir: 5", "tofu_dir must be a folder, not 5"),
        *((f"{key}: 4", f"{key} must be a mapping of names to values, not 4") for key in
          ("finetune", "unlearn", "settings", "evaluate", "lora", "pretrain")),
        ("settings: {npo: 3}", "settings: npo must be a mapping of names to values, not 3"),
        ("dtype: float12", "dtype: 'float12' is not one of float32, bfloat16, float16, auto"),
        ("seeds: [1.5]", "seeds must be whole numbers, not [1.5]"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_named(tmp_path, line, message):
    key = line.split(":")[0]
    content = {"corpus": "tofu", "track": "text", "model": "mini", "finetune": "{max_steps: 2}"}
    lines = [f"{name}: {value}" for name, value in content.items() if name != key]
    (tmp_path / "own.yaml").write_text("\n".join([*lines, line]))
    with pytest.raises(ValueError, match=re.escape(f"own.yaml: {message}")):
        read_recipe(tmp_path / "own.yaml")


def test_the_folder_of_the_texts_may_stand_in_the_recipe(tmp_path):
    (tmp_path / "own.yaml").write_text(f"corpus: tofu\ntrack: text\nmodel: mini\nfinetune: {{}}\ntofu_dir: {ROWS}\n")
    recipe = read_recipe(tmp_path / "own.yaml")
    recipe.check_texts()
    assert recipe.tofu_dir == ROWS


def test_a_recipe_that_is_not_there_is_told_with_ours(capsys):
    assert main(["table", "--recipe", "maxi"]) == 2
    assert "no recipe 'maxi': give a YAML file or one of llama-2-7b, llava-1.5-7b, mini" in capsys.readouterr().err
    assert main(["table", "--recipe", "mini", "--methods", "npoo"]) == 2
    assert "recipe mini has no method 'npoo'; did you mean 'npo'? it has retain_finetune" in capsys.readouterr().err
    assert main(["table", "--recipe", "tofu", "--output", "/nowhere"]) == 2
    assert "corpus tofu requires --tofu_dir" in capsys.readouterr().err


def test_a_recipe_of_a_wheel_is_found_by_its_name(tmp_path, monkeypatch):
    shutil.copytree(FOLDERS[0], tmp_path / "recipe_folder")
    monkeypatch.setattr(recipe_files, "FOLDERS", (tmp_path / "recipes", tmp_path / "recipe_folder"))
    assert read_recipe("mini").source == tmp_path / "recipe_folder" / "mini.yaml"


def test_numbers_with_a_power_of_ten_are_numbers():
    recipe = read_recipe("mini")
    assert recipe.finetune["learning_rate"] == 4e-3
    for method in METHODS:  # also where a list of settings in braces gives them
        # A method without a gradient (kvw, manu) needs none.
        rate = recipe.settings_of(method).get("learning_rate")
        assert isinstance(rate, float) or not METHODS[method][0].takes_adapter, method


def test_steps_are_counted_as_the_trainer_counts_them():
    """248 and 224 steps of original and gold, 56 of retain fine-tuning are what the runs of mini record."""
    recipe = read_recipe("mini")
    counts, _ = row_counts(recipe)
    found = {one.name: one.steps for one in estimates_of(recipe, counts)}
    assert (found["original"], found["gold"], found["retain_finetune"]) == (248, 224, 56)
    assert "retain_finetune-text" not in found  # looks at no forget rows
    assert found["npo"] == found["npo-text"] + found["npo-image"] == 84
    settings = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 3, "num_train_epochs": 2}
    assert steps_of(UnlearningConfig(output_dir=".", use_cpu=True, **settings), 25) == 2 * 3  # 7 batches, 3 steps


def test_methods_are_all_by_default_and_settings_are_overrides(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(MINI.partition("settings:")[0])  # not a word about methods
    recipe = read_recipe(path)
    assert recipe.methods == tuple(METHODS)
    assert recipe.settings_of("npo") == recipe.unlearn
    path.write_text(MINI.replace("unlearn:", "methods: [npo, kl]\n\nunlearn:", 1).partition("\ntune:")[0])
    assert read_recipe(path).methods == ("npo", "kl")


def test_a_part_of_a_recipe_keeps_the_rest():
    part = chosen_recipe(read_recipe("mini"), methods=["npo"], seeds=[5], modalities=["image"])
    assert (list(part.methods), part.seeds, part.modalities, part.tracks) == (["npo"], (5,), ("image",), ("image",))
    assert read_recipe("mini").tracks == ("image", "text")
