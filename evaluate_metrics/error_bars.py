"""Error bars of a log's numbers and of the difference of two models: resampled by person, from logs and metadata."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluate_metrics.clear_scores.compute import task_rows
from evaluate_metrics.intervals import (
    Interval,
    log_ratios,
    percentiles,
    permutation_p,
    resampled_weights,
    weighted_distances,
    weighted_means,
)
from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.tasks import FORGET_TASK, log_task

Tasks = Mapping[str, TaskLog]
People = Mapping[str, Sequence[str]]


def people_of(tasks: Tasks, meta: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the person of each row by task, empty if unknown; a row without a person is its own cluster."""
    people = {}
    for task, log in tasks.items():
        persons = meta.get("tasks", {}).get(task, {}).get("person")
        if persons is not None:
            if len(persons) != len(log.loss):
                raise ValueError(f"{task}: the metadata name the person of {len(persons)} rows of {len(log.loss)}")
            people[task] = [f"row {i}" if person is None else f"{person}" for i, person in enumerate(persons)]
    return people


def resampled_scores(tasks: Tasks, people: People, gold: TaskLog | None) -> dict[str, tuple[np.ndarray, int]]:
    """Score a log on resampled people.

    Args:
        tasks: The log.
        people: The person of each row, by task.
        gold: Forget task of the gold model on the same rows, or None.

    Returns:
        Values [resamples] with the number of people drawn, of `model_utility`, `real`, `retain`, `forget` and, with
        gold, `forget_quality_statistic` and `wasserstein`, as far as the log has their tasks; the same draws for every
        log of these rows. Those of the two distances have a bias of their own: only their differences between models
        are of use.

    Raises:
        ValueError: If a set has too few people.
    """
    terms: dict[str, list[np.ndarray]] = {"model_utility": [], "real": [], "retain": [], "forget": []}
    counts: dict[str, list[int]] = {name: [] for name in terms}
    for task, log in tasks.items():
        weights = resampled_weights(people[task])
        means = {name: weighted_means(values, weights) for name, values in task_rows(task, log).items()}
        group = log_task(task).group
        terms[group] += [means["probability"], means["truth_ratio"]]
        counts[group].append(len(set(people[task])))
        if group != "forget":
            terms["model_utility"] += means.values()
            counts["model_utility"] += counts[group][-1:]
    found = {name: (_harmonic_means(columns), min(counts[name])) for name, columns in terms.items() if columns}
    if gold is not None:
        weights = resampled_weights(people[FORGET_TASK])
        ratios = log_ratios(tasks[FORGET_TASK].truth_ratios()), log_ratios(gold.truth_ratios())
        distances, areas = weighted_distances(*ratios, weights, weights)  # D of the logarithms is that of the ratios
        count = len(set(people[FORGET_TASK]))
        found["forget_quality_statistic"], found["wasserstein"] = (distances, count), (areas, count)
    return found


def error_bars(tasks: Tasks, meta: Mapping[str, Any], gold: TaskLog | None) -> dict[str, Any]:
    """Return the error bars of a log.

    Args:
        tasks: The log.
        meta: Its metadata, which name the person of each row.
        gold: Forget task of the gold model, or None.

    Returns:
        `intervals`: low and high end by name; `forget_quality_permutation`: p by person; `notes`: what could not be
        had and why.
    """
    notes = []
    people = people_of(tasks, meta)
    if people.keys() != tasks.keys():
        return {
            "intervals": {},
            "forget_quality_permutation": None,
            "notes": ["no intervals: they need the person of each row, which the log's metadata would name"],
        }
    try:
        resampled = resampled_scores(tasks, people, None)
    except ValueError as error:
        return {"intervals": {}, "forget_quality_permutation": None, "notes": [f"no intervals: {error}"]}
    p = None
    if gold is not None:
        ratios = tasks[FORGET_TASK].truth_ratios(), gold.truth_ratios()
        try:
            p = permutation_p(*ratios, people[FORGET_TASK])
        except ValueError as error:
            notes.append(str(error))
    intervals = {name: list(percentiles(*values)) for name, values in resampled.items()}
    return {"intervals": intervals, "forget_quality_permutation": p, "notes": notes}


def paired_intervals(one: Tasks, other: Tasks, meta: Mapping[str, Any], gold: TaskLog | None) -> dict[str, Interval]:
    """Return the intervals of the differences of two models, by resampling the people whom both were asked about.

    Args:
        one: Log of the first model.
        other: Log of the second on the same rows.
        meta: Metadata of one of them.
        gold: Forget task of the gold model on these rows, or None.

    Returns:
        Low and high end of first minus second, by name.

    Raises:
        ValueError: If the people of the rows are too few or not known.
    """
    persons = people_of(one, meta)
    if persons.keys() != one.keys():
        raise ValueError("models are compared person by person, and the metadata of the logs do not name the persons")
    first, second = (resampled_scores(log, persons, gold) for log in (one, other))
    return {name: percentiles(values - second[name][0], people) for name, (values, people) in first.items()}


def _harmonic_means(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the harmonic mean of several numbers in each resample; 0 where one of them is 0."""
    values = np.stack(columns)
    with np.errstate(divide="ignore"):
        return len(values) / (1 / np.maximum(values, 0.0)).sum(0)
