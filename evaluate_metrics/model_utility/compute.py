"""Model utility: what is left outside the forget set (TOFU, arXiv 2401.06121, section 2.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluate_metrics.clear_scores.compute import task_scores
from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.log_format import harmonic_mean
from evaluate_metrics.log_format import read_log
from evaluate_metrics.tasks import LOG_TASKS
from evaluate_metrics.tasks import log_task


def model_utility(log: str | Path | Mapping[str, Any], paper: str | None = None) -> float:
    """Return the harmonic mean of probability, ROUGE and truth ratio over the retain and real tasks.

    Nine numbers for TOFU's log, twelve for CLEAR's; 0 if one of them is 0.

    Args:
        log: Log file, folder that holds it, or its content.
        paper: `clear`: as one of CLEAR's table scripts (arXiv 2410.18057), harmonic mean of fourteen terms:
            probability and truth ratio of all six tasks, *those of the forget set among them*, and ROUGE of captions
            alone. A model that forgets loses utility by it.

    Raises:
        ValueError: If it is not a valid log, has no retain or no real task, or lacks one of the paper's six.
    """
    return utility_of(read_log(log), paper)


def utility_of(tasks: Mapping[str, TaskLog], paper: str | None = None) -> float:
    """Return the model utility of a log that has been read, see `model_utility`."""
    if paper is not None:
        return _paper_utility(tasks, paper)
    values: dict[str, list[float]] = {"retain": [], "real": []}
    for task, task_log in tasks.items():
        scores = task_scores(task, task_log)
        group = log_task(task).group
        if group != "forget":
            values[group] += scores.values()
    for group, terms in values.items():
        if not terms:
            known = [key for key, task in LOG_TASKS.items() if task.group == group]
            raise ValueError(f"the log has no {group} task; model utility needs one of {', '.join(known)}")
    return harmonic_mean([*values["retain"], *values["real"]])


def _paper_utility(tasks: Mapping[str, TaskLog], paper: str) -> float:
    missing = [key for key, task in LOG_TASKS.items() if key not in tasks and "image" in task.tracks]
    if missing:
        raise ValueError(f"the paper's utility needs all six image tasks; the log has no {', '.join(missing)}")
    values = []
    for task, log in tasks.items():
        scores = task_scores(task, log, paper)
        values += [
            scores["probability"],
            scores["truth_ratio"],
            *([scores["rouge"]] if log_task(task).clear_rouge else []),
        ]
    return harmonic_mean(values)
