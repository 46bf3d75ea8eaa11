"""Items that submitters never saw: other photos of the same people, other captions, other questions.

A keeper builds them with a secret seed (`python clear_dataset.py hidden`); they are scored beside the public ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from clear_dataset import load_clear
from clear_unlearning.evaluate import Progress, score_tasks
from clear_unlearning.models import LoadedModel
from clear_unlearning.tasks import IMAGE_TASKS, Task
from evaluate_metrics.clear_scores.compute import set_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.log_format import read_log
from evaluate_metrics.tasks import FORGET_TASK

FORGET_ITEMS, RETAIN_ITEMS = "hidden items to forget", "hidden items to keep"


def hidden_tasks() -> list[Task]:
    """Return CLEAR's tasks about people, with the hidden items' own questions."""
    people = [task for task in IMAGE_TASKS if task.config in ("{forget}_perturbed", "retain_perturbed")]
    return [
        replace(
            task,
            config=FORGET_ITEMS if "{forget}" in task.config else RETAIN_ITEMS,
            question="name_question" if task.fixed_question else "question",
            fixed_question=None,
        )
        for task in people
    ]


def hidden_rows(hidden: Path, dataset: str, forget: str, most: int | None = None) -> Callable[[str], Dataset]:
    """Return the hidden items of those to forget and of those to keep.

    Args:
        hidden: Folder that `python clear_dataset.py hidden` wrote.
        dataset: Folder of the public rows, which say who is forgotten.
        forget: Forget set.
        most: Keep only the first items of each side.

    Raises:
        ValueError: If the items are about other people.
    """
    rows = load_clear("hidden", hidden)
    forgotten = set(load_clear(forget, dataset)["name"])
    names = rows["name"]
    sides = {
        FORGET_ITEMS: [i for i, name in enumerate(names) if name in forgotten],
        RETAIN_ITEMS: [i for i, name in enumerate(names) if name not in forgotten],
    }
    if not forgotten <= set(names):
        raise ValueError(
            f"{hidden} has no items of {', '.join(sorted(forgotten - set(names))[:3])}: of another corpus?"
        )
    return lambda config: rows.select(sides[config][:most])


def evaluate_hidden(
    loaded: LoadedModel,
    rows: Callable[[str], Dataset],
    forget: str,
    batch_size: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a model on the hidden items that `hidden_rows` returned: a log that is never published."""
    return score_tasks(loaded, hidden_tasks(), rows, forget, batch_size=batch_size, progress=progress)[0]


def hidden_numbers(hidden: Mapping[str, Any], gold: Mapping[str, Any], public_distance: float) -> dict[str, Any]:
    """Return what a reader may see of the hidden items.

    Args:
        hidden: Log of a submission on them.
        gold: The gold model's.
        public_distance: The submission's distance D on the public items.

    Returns:
        `hidden` with `forget_quality_statistic`, `retain` and `forget`, and `hidden_gap`: D on them minus D on the
        public ones. Well above 0, the model has forgotten what it knew would be asked.
    """
    tasks, golden = read_log(hidden), read_log(gold)
    ratios = [log[FORGET_TASK].truth_ratios().tolist() for log in (tasks, golden)]
    distance = dict(forget_quality(*ratios))["statistic"]
    sides = {name: value for name, value in set_scores(tasks).items() if name != "real"}
    return {
        "hidden": {"forget_quality_statistic": distance, **sides},
        "hidden_gap": distance - public_distance,
    }
