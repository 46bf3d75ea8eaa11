"""The search of settings: which try is taken, and the recipe that is written."""

import re
from dataclasses import replace

from clear_pipeline.experiment.recipe import read_recipe
from clear_pipeline.experiment.tuning import choose, tries_of, tuning_steps, write_chosen


def row(method, distance, utility, share=None, **values):
    return {"method": method, "values": values, "E": share, "D": distance, "utility": utility, "chosen": False}


def test_with_three_golds_the_nearest_is_that_with_the_smallest_share():
    rows = [row("original", 1.0, 0.8, 1.0), row("npo", 0.1, 0.8, 0.3, learning_rate=1),
            row("npo", 0.2, 0.8, -0.01, learning_rate=2)]  # fmt: skip
    assert choose(rows, keep=0.9) == {"npo": {"learning_rate": 2}}


def test_the_nearest_to_gold_that_keeps_utility_is_taken():
    rows = [
        row("original", 1.0, 0.8),
        row("gold", 0.0, 0.8),
        row("npo", 0.1, 0.71, learning_rate=3),  # below .72
        row("npo", 0.4, 0.72, learning_rate=2),
        row("npo", 0.4, 0.75, learning_rate=1),  # as near, and keeps more
        row("kl", 0.1, 0.5, learning_rate=1),
        row("kl", 0.3, 0.6, learning_rate=2),  # none keeps enough: that which keeps most
    ]
    assert choose(rows, keep=0.9) == {"npo": {"learning_rate": 1}, "kl": {"learning_rate": 2}}
    assert [r["values"]["learning_rate"] for r in rows if r["chosen"]] == [1, 2]


def test_of_tries_as_near_as_golds_differ_the_one_that_keeps_most_is_taken():
    rows = [row("original", 1.0, 0.8, 1.0), row("npo", 0.3, 0.78, 0.015, learning_rate=1),
            row("npo", 0.2, 0.79, -0.024, learning_rate=2), row("npo", 0.2, 0.8, 0.026, learning_rate=3)]  # fmt: skip
    assert choose(rows, keep=0.9) == {"npo": {"learning_rate": 2}}


def test_every_method_gets_as_many_tries(tmp_path):
    recipe = read_recipe("mini")
    assert recipe.tune is not None
    tries = [method for method, _ in tries_of(recipe, recipe.tune).values()]
    assert {tries.count(method) for method in recipe.methods} == {4}
    steps = tuning_steps(recipe, recipe.tune, tmp_path)
    names = {step.name for step in steps}
    assert len(names) == len(steps) and all(set(step.needs) <= names for step in steps)


def test_the_new_recipe_has_the_chosen_settings_and_keeps_its_comments(tmp_path):
    recipe = read_recipe("mini")
    chosen = {
        "sku": {"learning_rate": 2e-3, "num_train_epochs": 5},
        "npo": {"learning_rate": 7e-4, "num_train_epochs": 8},
        "kl": {"learning_rate": 1e-3, "num_train_epochs": 2},
    }
    written = write_chosen(recipe, tmp_path / "mini.yaml", chosen)
    new = read_recipe(written)
    wanted = {name: {**settings, **chosen.get(name, {})} for name, settings in recipe.settings.items()}
    assert new == replace(recipe, source=written, settings=wanted)
    assert [line for line in written.read_text().splitlines() if "#" in line] == [
        line for line in recipe.source.read_text().splitlines() if "#" in line
    ]
    assert list(tmp_path.iterdir()) == [written]


def test_a_method_without_settings_gets_some(tmp_path):
    source = tmp_path / "own.yaml"
    source.write_text(re.sub("^  kl: .*\n", "", read_recipe("mini").source.read_text(), flags=re.MULTILINE))
    recipe = read_recipe(source)
    assert "kl" not in recipe.settings
    new = read_recipe(write_chosen(recipe, tmp_path / "new" / "own.yaml", {"kl": {"learning_rate": 1e-3}}))
    assert new.settings["kl"] == {"learning_rate": 1e-3}
    assert replace(new, source=source, settings=recipe.settings) == recipe
