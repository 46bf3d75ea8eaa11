"""Scores of several models on the same tasks of another suite, with intervals of their paired differences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .intervals import FEWEST_PEOPLE, percentiles, resampled_weights, weighted_means

MODEL = "model"  # the role of the model that is held against the others


def compared(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put the scores of models on a task, its groups and subtasks side by side.

    A difference has a 95 % interval where the score is the mean over samples: the samples, which all models
    answered, are drawn with replacement (paired bootstrap, percentiles).

    Args:
        answers: What `clear_pipeline.abilities.answers_to` returned, by role; `model` is held against the others.

    Returns:
        Task -> `metric,filter` -> `samples`, `higher_is_better`, `scores` by role, and `against`: by other role
        `difference` and `interval` (None where there is none); `part_of` names the group of a subtask.

    Raises:
        ValueError: If two models were asked different samples.
    """
    own, found = answers[MODEL], {}
    parents = {child: group for group, children in own["groups"].items() for child in children}
    for task, metrics in own["results"].items():
        rows = {}
        for key in metrics:
            metric = key.partition(",")[0]
            pooled = task not in own["groups"] or metric in own["by_size"][task]
            values = {role: _values(one, task, key) for role, one in answers.items()}
            means = {role: abs(np.mean([*each.values()]) - answers[role]["results"][task][key]) < 1e-9
                     for role, each in values.items() if each}  # fmt: skip
            against = {}
            for role in answers:
                if role == MODEL:
                    continue
                if values[role].keys() != values[MODEL].keys():
                    raise ValueError(f"task {task}: {role} was asked other samples than the model; delete its answers")
                difference = metrics[key] - answers[role]["results"][task][key]
                exact = pooled and means.get(MODEL) and means.get(role)
                gaps = np.array([values[MODEL][one] - values[role][one] for one in values[role]])
                against[role] = {"difference": difference, "interval": _interval(gaps) if exact else None}
            rows[key] = {
                "samples": len(values[MODEL]),
                "higher_is_better": own["higher_is_better"].get(task, {}).get(metric),
                "scores": {role: one["results"][task][key] for role, one in answers.items()},
                "against": against,
            }
        found[task] = {"part_of": parents.get(task), "metrics": rows}
    return found


def _interval(gaps: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean of paired differences [samples]; None of few samples."""
    if len(gaps) < FEWEST_PEOPLE:
        return None
    weights = resampled_weights([str(number) for number in range(len(gaps))])
    return percentiles(weighted_means(gaps, weights), len(gaps))


def _values(answers: Mapping[str, Any], task: str, key: str) -> dict[tuple[str, int, str], float]:
    """Return the score of each sample of a task, or of all subtasks of a group."""
    metric, _, name = key.partition(",")
    return {
        (leaf, one["doc_id"], one["target_hash"]): one[metric]
        for leaf in dict.fromkeys(_leaves(answers["groups"], task))
        for one in answers["samples"].get(leaf, ())
        if one["filter"] == name and metric in one
    }


def _leaves(groups: Mapping[str, Sequence[str]], task: str) -> Iterator[str]:
    if task not in groups:
        yield task
    for child in groups.get(task, ()):
        yield from _leaves(groups, child)
