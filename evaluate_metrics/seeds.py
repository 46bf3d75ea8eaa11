"""The numbers of a model over several seeds: their mean, and an interval over seeds and people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluate_metrics.clear_scores.compute import set_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.intervals import FEWEST_PEOPLE, percentiles, resampled_weights, weighted_means
from evaluate_metrics.log_format import TaskLog, check_same_rows, read_log, read_meta
from evaluate_metrics.model_utility.compute import utility_of
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import read_token_log

from .columns import COLUMNS
from .error_bars import people_of, resampled_scores
from .sources import source_values

ROUGE = {column.key: column.task for column in COLUMNS if column.task and not column.source}
LOGARITHM = "forget_quality_log10"


def pooled_row(name: str, logs: Sequence[Path], golds: Sequence[Path]) -> dict[str, Any]:
    """Return the numbers of a model over its seeds.

    Args:
        name: Of the model.
        logs: Its log of each seed.
        golds: The gold model's of each seed, on the same rows.

    Returns:
        `name`, the mean of each number over the seeds (of p the geometric mean), None where a log lacks its tasks, and
        `intervals`: low and high end by number, empty where people are unknown or too few.

    Raises:
        ValueError: If a log is not valid or of other rows than its gold log.
    """
    values, resampled, people = [], [], []
    for log, gold in zip(logs, golds, strict=True):
        tasks, golden = read_log(log), read_log(gold)
        check_same_rows({str(gold): golden, str(log): tasks})
        computed, _ = source_values(tasks, read_token_log(log))
        means = {column.key: None for column in COLUMNS if column.source}
        means |= {key: float(rows.mean()) for key, (_, rows) in computed.items()}
        values.append({**numbers_of(tasks, golden[FORGET_TASK]), **means})
        people.append(people_of(tasks, read_meta(log)))
        if people[-1].keys() == tasks.keys() and all(
            len(set(names)) >= FEWEST_PEOPLE for names in people[-1].values()
        ):
            resampled.append(_resampled(tasks, people[-1], golden[FORGET_TASK], computed))
    row: dict[str, Any] = {"name": name, "intervals": {}}
    for key in values[0]:
        seen = [numbers[key] for numbers in values]
        row[key] = None if None in seen else float(np.mean(seen))
    row["forget_quality"] = 10 ** row[LOGARITHM]
    if len(resampled) == len(values):
        crossed = all(those == people[0] for those in people)
        for key in resampled[0]:
            if row[key] is not None:
                draws = pooled_resamples([numbers[key] for numbers in resampled], crossed)
                row["intervals"][key] = list(percentiles(draws))
    return row


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
    tasks: dict[str, TaskLog],
    people: dict[str, list[str]],
    gold: TaskLog,
    computed: Mapping[str, tuple[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    found = resampled_scores(tasks, people, gold)
    found.pop("wasserstein", None)
    for key, task in ROUGE.items():
        if task in tasks:
            found[key] = weighted_means(tasks[task].rouge, resampled_weights(people[task]))
    for key, (task, rows) in computed.items():
        if task:
            found[key] = weighted_means(rows, resampled_weights(people[task]))
    return found


def pooled_resamples(seeds: Sequence[np.ndarray], crossed: bool = False, seed: int = 0) -> np.ndarray:
    """Resample of a mean over seeds: seeds are drawn with replacement, and within each its people.

    Args:
        seeds: Values of each seed with its people resampled [resamples].
        crossed: All seeds ask about the same people, so that these are drawn once for all of them.
        seed: Of the draws; the same for all models, so that their differences are of the same draws.

    Returns:
        The mean of each resample [resamples].
    """
    values = np.stack(seeds)
    count, resamples = values.shape
    dice = np.random.default_rng(seed)
    chosen = dice.integers(0, count, (count, resamples))
    draws = np.tile(np.arange(resamples), (count, 1))
    if not crossed:
        draws = dice.permuted(draws, axis=1)
    return values[chosen, draws].mean(0)
