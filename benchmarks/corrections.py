"""By how much the corrections of the reference's code move the numbers, on a finished demo (see docs/corrections.md).

The code is that of CLEAR (arXiv 2410.18057). Each table sets our number beside the one that its formula gives for the
same models and the same logs.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from clear_pipeline.experiment.demo import DIALS_FILE, DemoArguments
from clear_pipeline.experiment.plan import data_of, evaluate_step, model_config
from clear_pipeline.experiment.recipe import demo_recipe
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.step import Step
from evaluate_metrics.clear_scores.compute import task_scores
from evaluate_metrics.columns import number
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.log_format import TaskLog, read_log
from evaluate_metrics.model_utility.compute import utility_of
from evaluate_metrics.tasks import FORGET_TASK

BLIND = "logs-blind"  # folder of the logs without images
RETAIN_TASK = "eval_log.json"
NAME_TASKS = ("eval_forget_facerec.json", "eval_retain_facerec.json")
Tasks = Mapping[str, TaskLog]


@dataclass(frozen=True)
class Models:
    """The logs of a demo's models.

    Attributes:
        seeing: By the model's name.
        blind: The same models without the images.
    """

    seeing: Mapping[str, Tasks]
    blind: Mapping[str, Tasks]

    @property
    def gold(self) -> TaskLog:
        """Forget task of the gold model."""
        return self.seeing["gold"][FORGET_TASK]


@dataclass(frozen=True)
class Table:
    """A table of numbers: the correction, and its values for each model."""

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]


def blind_logs(folder: Path, console: Console) -> Models:
    """Read the logs of a finished demo, and score its models once more without the images.

    Raises:
        FileNotFoundError: If the folder holds no finished demo.
        ValueError: If its models take no images.
    """
    path = folder / DIALS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no finished demo ({DIALS_FILE} is missing)")
    dials = json.loads(path.read_text())
    if demo_recipe(dials["corpus"]).track != "image":
        raise ValueError(f"the models of {folder} take no images: there is nothing that they could be blind to")
    arguments = DemoArguments(folder, dials["corpus"], methods=tuple(dials["methods"]), forget=dials["forget"])
    recipe = arguments.recipe()
    steps = [
        Step(
            f"{name}: evaluate blind",
            evaluate_step,
            {
                "folder": folder / BLIND / name,
                "model": model_config(folder / "models" / name, recipe, trained=False),
                "data": data_of(recipe, folder),
                "method": name,
                "settings": {**recipe.evaluate, "control": "text"},
            },
        )
        for name in arguments.names()
    ]
    run_steps(steps, console)
    read = {place: {name: read_log(folder / place / name) for name in arguments.names()} for place in ("logs", BLIND)}
    return Models(read["logs"], read[BLIND])


def blind_generation(models: Models) -> Table:
    """Show defect 1: the reference's generation never sees the image."""
    values = {
        name: [log[task].rouge.mean() for task in (FORGET_TASK, RETAIN_TASK) for log in (seeing, models.blind[name])]
        for name, seeing in models.seeing.items()
    }
    columns = ("forget, seeing", "forget, blind", "retain, seeing", "retain, blind")
    return Table("ROUGE of captions: the model sees the image, or not (defect 1)", columns, values)


def set_wide_ratio(models: Models) -> Table:
    """Show defect 2: the wrong answers of all examples count in the truth ratio of each."""
    values = {}
    for name, log in models.seeing.items():
        row: list[float | None] = []
        for task in (FORGET_TASK, RETAIN_TASK):
            row += [task_scores(task, log[task], paper)["truth_ratio"] for paper in (None, "clear")]
        values[name] = [*row, *(_distance(log[FORGET_TASK], models.gold, paper) for paper in (None, "clear"))]
    columns = ("forget, each", "forget, set-wide", "retain, each", "retain, set-wide", "D, each", "D, set-wide")
    return Table("Truth ratio: wrong answers of the example itself, or of the whole set (defect 2)", columns, values)


def divergences(models: Models) -> Table:
    """Show defect 3: the reference's Jensen-Shannon distance is of two lists, not of two distributions."""
    gold = models.gold.truth_ratios()
    shuffled = np.random.default_rng(0).permutation(gold)
    samples = {name: log[FORGET_TASK].truth_ratios() for name, log in models.seeing.items()}
    samples["gold, its rows shuffled"] = shuffled
    variants: tuple[dict[str, Any], ...] = ({"variant": "js"}, {"paper": "clear"}, {})
    values = {
        name: [
            *(forget_quality(sample.tolist(), gold.tolist(), **variant)["forget_quality"] for variant in variants),
            forget_quality(sample.tolist(), gold.tolist())["statistic"],
        ]
        for name, sample in samples.items()
    }
    columns = ("1 - JS, distributions", "1 - JS, lists", "p", "D")
    return Table("Forget quality: of distributions, or of lists (defect 3)", columns, values)


def utility_terms(models: Models) -> Table:
    """Compare utility as the mean of nine terms (without names), of twelve, and of the reference's fourteen."""
    values = {}
    for name, log in models.seeing.items():
        without_names = {task: content for task, content in log.items() if task not in NAME_TASKS}
        values[name] = [utility_of(without_names), utility_of(log), utility_of(log, "clear")]
    return Table("Utility of 9, 12 (ours) or 14 terms (the reference's table)", ("9", "12", "14"), values)


def sample_sizes(models: Models) -> Table:
    """Show defect 11: p depends on the number of examples."""
    values = {}
    for name, log in models.seeing.items():
        row: list[float | None] = []
        for step in (4, 2, 1):
            ratios = (task.truth_ratios()[::step].tolist() for task in (log[FORGET_TASK], models.gold))
            found = forget_quality(*ratios)
            row += [found["forget_quality"], found["statistic"]]
        values[name] = row
    columns = [f"{what}, {share} of the rows" for share in ("1/4", "1/2", "all") for what in ("p", "D")]
    return Table("The same models on fewer rows (defect 11)", columns, values)


TABLES: tuple[Callable[[Models], Table], ...] = (
    blind_generation,
    set_wide_ratio,
    divergences,
    utility_terms,
    sample_sizes,
)


def corrections(folder: Path, console: Console) -> str:
    """Return all tables for a finished demo, as Markdown."""
    models = blind_logs(folder, console)
    return "\n".join(markdown(table(models)) for table in TABLES)


def markdown(table: Table) -> str:
    """Return a table as Markdown, under its title."""
    lines = [f"**{table.title}**", "", f"| model | {' | '.join(table.columns)} |"]
    lines.append(f"|---|{'---:|' * len(table.columns)}")
    lines += [f"| {name} | {' | '.join(map(number, values))} |" for name, values in table.rows.items()]
    return "\n".join(lines) + "\n"


def _distance(task: TaskLog, gold: TaskLog, paper: str | None) -> float:
    return forget_quality(task.truth_ratios(paper).tolist(), gold.truth_ratios(paper).tolist())["statistic"]


def main() -> None:
    """Show by how much the corrections of the reference's code move the numbers of a demo."""
    parser = argparse.ArgumentParser("python -m benchmarks.corrections", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished demo with images")
    options = parser.parse_args()

    print(corrections(options.folder, Console(file=sys.stderr)), end="")


if __name__ == "__main__":
    main()
