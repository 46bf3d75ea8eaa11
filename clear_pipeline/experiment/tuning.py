"""`table --tune`: search settings, with the same number of tries for each method, on a seed of its own.

The tries are scored on the selection set: the same people on photos that no model was trained on. For each method the
try nearest to gold (E; D if the recipe has fewer than three golds) is chosen among those that keep `keep` of the
original's utility, and of those as near the one that keeps most; if there are none, the try that keeps most.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from ruamel.yaml import YAML

from clear_pipeline.arguments import DataArguments
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import write_json
from clear_pipeline.runs.step import Step
from clear_pipeline.selection import selection_rows
from clear_pipeline.train import Progress
from clear_unlearning.evaluate import score_tasks
from clear_unlearning.models import load_model
from clear_unlearning.tasks import IMAGE_TASKS
from evaluate_metrics.columns import number
from evaluate_metrics.scores import score_log
from trainers import label_of

from .plan import BASES, data_of, gold_seeds, model_config, training_steps, unlearn_step
from .recipe import Recipe, Tuning, recipe_path

AS_NEAR = 0.01  # of E or D: golds differ by as much
SELECTION_LOG = "selection.json"
RETAINED = 1  # photos of each person who stays: they count only for utility, and there are many
SHOWN = {"E": "gold_share", "D": "forget_quality_statistic", "utility": "model_utility"}


def score_step(
    model: Path, target: Path, data: DataArguments, beside: str, batch_size: int, progress: Progress
) -> None:
    """Score a model on the selection set."""
    if target.is_file():
        return
    log, _ = score_tasks(
        load_model(str(model)), IMAGE_TASKS, selection_rows(data, beside, RETAINED), data.forget,
        batch_size=batch_size, progress=progress,
    )  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, log)


def tries_of(recipe: Recipe, tuning: Tuning) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return all tries: name, method, and values."""
    tries = {}
    for method in recipe.methods:
        grid = tuning.grid(method)
        for values in itertools.product(*grid.values()):
            name = f"{label_of(method)}-{'-'.join(f'{value:g}' for value in values)}"
            tries[name] = (method, dict(zip(grid, values, strict=True)))
    return tries


def tuning_steps(recipe: Recipe, tuning: Tuning, folder: Path, bases: Path | None = None) -> list[Step]:
    """Return the steps of the search.

    Args:
        recipe: What is run.
        tuning: What is tried.
        folder: Of the seed.
        bases: Folder of the pretrained bases; `bases` beside the table's folder by default.
    """
    data, models, place = data_of(recipe, folder), folder / "models", folder / "tune"
    asked = {"data": data, "beside": f"{data.dataset}_extra", "batch_size": recipe.evaluate.get("batch_size", 16)}
    steps = training_steps(recipe, folder, tuning.seed, bases=bases or folder.parent.parent / BASES)
    for name in ("original", *gold_seeds(recipe, tuning.seed)):
        call = {"model": models / name, "target": place / f"{name}.json", **asked}
        steps.append(Step(f"{name}: score", score_step, call, [f"{name}: fine-tune"]))
    for name, (method, values) in tries_of(recipe, tuning).items():
        call = {"data": data, "folder": place / name, "method": method, "modality": recipe.modalities[0]}
        call |= {"model": model_config(models / "original", recipe)}
        settings = {**recipe.settings_of(method), **values, "seed": tuning.seed}
        steps.append(Step(f"{name}: unlearn", unlearn_step, {**call, "settings": settings}, ["original: fine-tune"]))
        call = {"model": place / name, "target": place / f"{name}.json", **asked}
        steps.append(Step(f"{name}: score", score_step, call, [f"{name}: unlearn"]))
    return steps


def run_tuning(
    recipe: Recipe, output: Path, console: Console, bases: Path | None = None, **options: Any
) -> tuple[Path, list[dict[str, Any]]]:
    """Run a search, and write tune.md and a copy of the recipe with the chosen settings.

    Args:
        recipe: The recipe.
        output: Folder of the table.
        console: Where progress is shown.
        bases: Folder of the pretrained bases; `bases` beside `output` by default.
        options: Of `run_steps`.

    Returns:
        The new recipe, and a row for each try.

    Raises:
        ValueError: If the recipe has no search, or its corpus has no selection set.
    """
    tuning = recipe.tune
    if tuning is None:
        raise ValueError(f"the recipe {recipe.name} has no key tune; see recipes/mini.yaml")
    if recipe.corpus != "mini":
        raise ValueError(f"{recipe.name}: only the mini corpus has a selection set (config `selection`)")
    folder = output / f"seed-{tuning.seed}"
    run_steps(tuning_steps(recipe, tuning, folder, bases), console, **options)
    place = folder / "tune"
    logs = {path.stem: json.loads(path.read_text()) for path in place.glob("*.json")}
    gold, *more = (logs[name] for name in gold_seeds(recipe, tuning.seed))
    names: dict[str, tuple[str, dict[str, Any]]] = {"original": ("original", {}), "gold": ("gold", {})}
    rows = []
    for name, (method, values) in (names | tries_of(recipe, tuning)).items():
        scores = score_log(logs[name], gold, more, original=logs["original"])
        numbers = {title: scores[key] for title, key in SHOWN.items()}
        rows.append({"method": method, "values": values, **numbers, "chosen": False})
    chosen = choose(rows, tuning.keep)
    page = output / "tune.md"
    page.with_suffix(".part").write_text(_page(recipe, tuning, rows), encoding="utf-8")
    page.with_suffix(".part").rename(page)
    return write_chosen(recipe, output / f"{recipe.name}.yaml", chosen), rows


def choose(rows: Sequence[dict[str, Any]], keep: float) -> dict[str, dict[str, Any]]:
    """Mark the best try of each method, by the rule above, and return its values."""
    original = next(row["utility"] for row in rows if row["method"] == "original")
    chosen = {}
    for method in dict.fromkeys(row["method"] for row in rows if row["values"]):
        tries = [row for row in rows if row["method"] == method]
        good = [row for row in tries if row["utility"] >= keep * original]
        nearest = min(map(_distance, good), default=0.0)
        near = [row for row in good if _distance(row) <= nearest + AS_NEAR]
        best = max(near or tries, key=lambda row: row["utility"])
        best["chosen"] = True
        chosen[method] = best["values"]
    return chosen


def _distance(row: Mapping[str, Any]) -> float:
    return abs(row["D"] if row["E"] is None else row["E"])


def _page(recipe: Recipe, tuning: Tuning, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"# The search of {recipe.name}: seed {tuning.seed}, selection set of {recipe.forget}",
        "",
        f"Chosen, in bold: the try nearest to gold (E, else D) among those that keep {tuning.keep:.0%} of the "
        f"original's utility, and of those within {AS_NEAR} the one with the highest utility; "
        "where none keeps so much, the highest utility.",
        "",
        "| method | tried | E ↓ | D ↓ | utility ↑ |",
        "|---|---|---:|---:|---:|",
    ]
    for row in rows:
        tried = ", ".join(f"{key} {value:g}" for key, value in row["values"].items())
        cells = [row["method"], tried or "–"]
        cells += [number(row[key], 3) for key in SHOWN]
        lines.append("| " + " | ".join(f"**{cell}**" if row["chosen"] else cell for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write_chosen(recipe: Recipe, target: Path, chosen: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a copy of a recipe's file with other settings for some methods; its comments stay.

    Args:
        recipe: The recipe as it was read.
        target: The copy.
        chosen: The settings by method.
    """
    yaml = YAML()
    yaml.width = 119
    content = yaml.load(recipe_path(recipe.source).read_text(encoding="utf-8"))
    settings = content.setdefault("settings", {})
    for method, values in chosen.items():
        settings.setdefault(method, {}).update(values)
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    part.rename(target)
    return target
