"""Items that submitters never saw: other photos of the same people, other captions, other questions.

A keeper builds them with a secret seed (`python clear_dataset.py hidden`); they are scored beside the public ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from clear_dataset import load_clear
from clear_unlearning.evaluate import Progress, score_tasks
from clear_unlearning.models import LoadedModel
from clear_unlearning.tasks import IMAGE_TASKS, Task
from evaluate_metrics.clear_scores.compute import set_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.gold_distance.compute import FOR_PEOPLE, gold_distance
from evaluate_metrics.intervals import FEWEST_PEOPLE, percentiles, resampled_weights, weighted_distances
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


@dataclass(frozen=True)
class Asked:
    """Logs on one kind of items, and whom the rows of the forget task are about.

    Attributes:
        submission: Log of the submission.
        golds: Those of the golds.
        original: That of the original.
        people: The person of each row.
    """

    submission: Mapping[str, Any]
    golds: Sequence[Mapping[str, Any]]
    original: Mapping[str, Any]
    people: Sequence[str]


def forgotten_people(hidden: Path, dataset: Path, forget: str, most: int | None) -> list[str]:
    """Return the person of each hidden item of those to forget, as `hidden_rows` orders them."""
    return list(hidden_rows(hidden, str(dataset), forget, most)(FORGET_ITEMS)["name"])


def hidden_numbers(hidden: Asked, public: Asked) -> dict[str, Any]:
    """Return what a reader may see of the hidden items.

    Args:
        hidden: Logs on them.
        public: Logs on the public items.

    Returns:
        `hidden_distance` and `hidden_share`, D and E on them (E with three golds); `hidden_gap`, D on them minus D on
        the public ones, and `hidden_gap_interval`, its 95 % interval by person (None of too few people); `hidden` with
        what else is known of them.
    """
    ours, golden = (_ratios(log) for log in (hidden.submission, hidden.golds[0]))
    distance = dict(forget_quality(ours.tolist(), golden.tolist()))["statistic"]
    share = None
    if len(hidden.golds) >= FOR_PEOPLE:
        golds, original = [_ratios(gold).tolist() for gold in hidden.golds], _ratios(hidden.original).tolist()
        share = gold_distance(ours.tolist(), golds, original)["share"]
    known = [_ratios(log) for log in (public.submission, public.golds[0])]
    seen = dict(forget_quality(known[0].tolist(), known[1].tolist()))["statistic"]
    ends = None
    if min(len(set(hidden.people)), len(set(public.people))) >= FEWEST_PEOPLE:
        gaps = _resampled(ours, golden, hidden.people) - _resampled(known[0], known[1], public.people)
        ends = list(percentiles(gaps, len(set(hidden.people))))
    sides = {name: value for name, value in set_scores(read_log(hidden.submission)).items() if name != "real"}
    return {
        "hidden": {"forget_quality_statistic": distance, **sides},
        "hidden_distance": distance,
        "hidden_share": share,
        "hidden_gap": distance - seen,
        "hidden_gap_interval": ends,
    }


def people_of(meta: Mapping[str, Any]) -> list[str]:
    """Return the person of each row of the forget task, from the metadata of a log."""
    return [str(person) for person in meta["tasks"][FORGET_TASK]["person"]]


def _ratios(log: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(read_log(log)[FORGET_TASK].truth_ratios(), dtype=float)


def _resampled(one: np.ndarray, other: np.ndarray, people: Sequence[str]) -> np.ndarray:
    """Return D with people drawn with replacement [resamples]; the same people are drawn for all items."""
    weights = resampled_weights(people)
    return weighted_distances(one, other, weights, weights)[0]
