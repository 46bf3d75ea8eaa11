"""The numbers of a model over several seeds: their mean, and an interval over seeds and people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from evaluate_metrics.clear_scores.compute import set_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.intervals import FEWEST_PEOPLE, LEVEL, percentiles, resampled_weights, weighted_means
from evaluate_metrics.log_format import TaskLog, check_same_rows, read_log, read_meta
from evaluate_metrics.model_utility.compute import utility_of
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import read_token_log

from .columns import COLUMNS
from .error_bars import people_of, resampled_scores
from .ledger import ledger_of
from .sources import source_values

ROUGE = {column.key: column.task for column in COLUMNS if column.task and not column.source}
LOGARITHM = "forget_quality_log10"


def pooled_row(
    name: str,
    logs: Sequence[Path],
    golds: Sequence[Path],
    more_golds: Sequence[Sequence[Path]] = (),
    originals: Sequence[Path] = (),
) -> dict[str, Any]:
    """Return the numbers of a model over its seeds.

    Args:
        name: Of the model.
        logs: Its log of each seed.
        golds: The gold model's of each seed, on the same rows.
        more_golds: Logs of further gold models of each seed; with at least two the distance to gold is known.
        originals: The original model's of each seed, for its shares.

    Returns:
        `name`, the mean of each number over the seeds (of p the geometric mean), None where a log lacks its tasks, and
        `intervals`: low and high end by number, empty where people are unknown or too few.

    Raises:
        ValueError: If a log is not valid or of other rows than its gold log.
    """
    values, resampled, people = [], [], []
    for number, (log, gold) in enumerate(zip(logs, golds, strict=True)):
        tasks, golden = read_log(log), read_log(gold)
        check_same_rows({str(gold): golden, str(log): tasks})
        computed, _ = source_values(tasks, read_token_log(log))
        means = {column.key: None for column in COLUMNS if column.source}
        means |= {key: float(rows.mean()) for key, (_, rows) in computed.items()}
        persons = people_of(tasks, read_meta(log))
        several = [golden, *(read_log(place) for place in (more_golds[number] if more_golds else ()))]
        original = read_log(originals[number])[FORGET_TASK] if originals else None
        ledger = ledger_of(
            tasks[FORGET_TASK], [one[FORGET_TASK] for one in several], original, persons.get(FORGET_TASK)
        )
        values.append({**ledger.numbers(), **numbers_of(tasks, golden[FORGET_TASK]), **means})
        people.append(persons)
        if persons.keys() == tasks.keys() and all(len(set(names)) >= FEWEST_PEOPLE for names in persons.values()):
            resampled.append(_resampled(tasks, persons, computed))
    row: dict[str, Any] = {"name": name, "intervals": {}}
    for key in values[0]:
        seen = [numbers[key] for numbers in values]
        row[key] = None if None in seen else float(np.mean(seen))
    row["forget_quality"] = 10 ** row[LOGARITHM]
    crossed = all(those == people[0] for those in people)
    if len(resampled) == len(values):
        for key in values[0]:
            seen = [numbers[key] for numbers in values]
            draws = [found[key] for found in resampled if key in found]
            if None not in seen and (ends := seeds_interval(seen, draws, crossed)):
                row["intervals"][key] = list(ends)
    return row


def seeds_interval(
    seeds: Sequence[float], draws: Sequence[tuple[np.ndarray, int]], crossed: bool
) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over seeds, by Student's t with seeds - 1 degrees of freedom.

    Seeds with people of their own vary by these as well. If all seeds have the same people, their variance is added.

    Args:
        seeds: The number of each seed.
        draws: The number with people resampled and how many people these are, of each seed; empty if there is none.
        crossed: All seeds ask about the same people.

    Returns:
        Low and high end; of one seed that over people, None if there is none.
    """
    if len(seeds) == 1:
        return percentiles(*draws[0]) if draws else None
    variance = np.var(seeds, ddof=1) / len(seeds)
    if crossed and draws:
        variance += np.mean([values.var() for values, _ in draws])
    half = float(t.ppf((1 + LEVEL) / 2, len(seeds) - 1) * variance**0.5)
    return float(np.mean(seeds)) - half, float(np.mean(seeds)) + half


def numbers_of(tasks: dict[str, TaskLog], gold: TaskLog) -> dict[str, float | None]:
    """Return the numbers of one log; None for those of which it lacks the tasks."""
    scores = set_scores(tasks)
    quality = forget_quality(tasks[FORGET_TASK].truth_ratios().tolist(), gold.truth_ratios().tolist())
    return {
        **scores,
        "model_utility": None if None in (scores["real"], scores["retain"]) else utility_of(tasks),
        "forget_quality_statistic": quality["statistic"],
        LOGARITHM: quality["log10"],
        **{key: float(tasks[task].rouge.mean()) if task in tasks else None for key, task in ROUGE.items()},
    }


def _resampled(
    tasks: dict[str, TaskLog], people: dict[str, list[str]], computed: Mapping[str, tuple[str, np.ndarray]]
) -> dict[str, tuple[np.ndarray, int]]:
    found = resampled_scores(tasks, people, None)
    rows = {key: (task, tasks[task].rouge) for key, task in ROUGE.items() if task in tasks}
    for key, (task, values) in {**rows, **computed}.items():
        if task:
            found[key] = weighted_means(values, resampled_weights(people[task])), len(set(people[task]))
    return found
