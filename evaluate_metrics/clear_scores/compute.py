"""CLEAR's Real, Retain and Forget: harmonic means of probability and truth ratio (arXiv 2410.18057, section 5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.log_format import harmonic_mean
from evaluate_metrics.log_format import read_log
from evaluate_metrics.probability.compute import probabilities
from evaluate_metrics.tasks import log_task
from evaluate_metrics.truth_ratio.compute import truth_ratio_terms


def task_rows(task: str, log: TaskLog, paper: str | None = None) -> dict[str, np.ndarray]:
    """Return probability, ROUGE and truth ratio of each row of a task, each in the form that belongs to its set.

    Args:
        task: Its key.
        log: What stands under it.
        paper: `clear`: truth ratios as CLEAR's scripts compute them, see `truth_ratio_terms`.

    Raises:
        ValueError: If the task or the paper is unknown.
    """
    about = log_task(task)
    wrong = log.wrong_losses.tolist()
    kind = "forget" if about.group == "forget" else "other"
    return {
        "probability": probabilities(log.loss.tolist(), wrong if about.among_wrong else None),
        "rouge": log.rouge,
        "truth_ratio": truth_ratio_terms(log.paraphrased_loss.tolist(), wrong, kind, paper),
    }


def task_scores(task: str, log: TaskLog, paper: str | None = None) -> dict[str, float]:
    """Return probability, ROUGE and truth ratio of a task: means over its rows, see `task_rows`."""
    return {name: float(values.mean()) for name, values in task_rows(task, log, paper).items()}


def clear_scores(log: str | Path | Mapping[str, Any], paper: str | None = None) -> dict[str, float | None]:
    """Return Real, Retain and Forget of a log; None for a set of which it has no task.

    Each is the harmonic mean of probability and truth ratio over the set's tasks: real faces (or real authors) and
    real world; retain captions and names; forget captions and names.

    Args:
        log: Log file, folder that holds it, or its content.
        paper: `clear`: truth ratios as CLEAR's scripts compute them.

    Raises:
        ValueError: If it is not a valid log.
    """
    return set_scores(read_log(log), paper)


def set_scores(tasks: Mapping[str, TaskLog], paper: str | None = None) -> dict[str, float | None]:
    """Return Real, Retain and Forget of a log that has been read, see `clear_scores`."""
    terms: dict[str, list[float]] = {"real": [], "retain": [], "forget": []}
    for task, task_log in tasks.items():
        scores = task_scores(task, task_log, paper)
        terms[log_task(task).group] += [scores["probability"], scores["truth_ratio"]]
    return {group: harmonic_mean(values) if values else None for group, values in terms.items()}
