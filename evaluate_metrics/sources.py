"""Compute the columns of the table of scores that name a source, from what a log holds of each row."""

from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from typing import Any

import numpy as np

from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import WITHOUT_JUDGE, TokenLog

from .columns import COLUMNS, Column


def _texts(task: str, log: TaskLog, tokens: TokenLog) -> list[str]:
    if not log.generated:
        raise ValueError("this log has no generated text")
    return [said for _, said, _ in log.generated]


def _judge_losses(task: str, log: TaskLog, tokens: TokenLog) -> list[list[float]]:
    if task not in tokens.judge_losses:
        raise ValueError(WITHOUT_JUDGE)
    return tokens.judge_losses[task]


# What a source of a column may take: one item for each row of a task.
INPUTS: dict[str, Callable[[str, TaskLog, TokenLog], Sequence[Any]]] = {
    "texts": _texts,
    "judge_losses": _judge_losses,
    "hits": lambda task, log, tokens: tokens.rows(task).hits,
    "log_probs": lambda task, log, tokens: tokens.rows(task).log_probs,
    "losses": lambda task, log, tokens: log.loss.tolist(),
    "truth_ratios": lambda task, log, tokens: log.truth_ratios().tolist(),
}


def source_values(
    tasks: Mapping[str, TaskLog], tokens: TokenLog
) -> tuple[dict[str, tuple[str, np.ndarray]], dict[str, list[str]]]:
    """Compute the columns that have a source.

    Args:
        tasks: The log.
        tokens: Its token log.

    Returns:
        By key the task and the value of each of its rows (a number of the whole log is one row of no task), and by
        reason the keys of the columns for which the log lacks something.

    Raises:
        ValueError: If the token log is of other rows.
    """
    values: dict[str, tuple[str, np.ndarray]] = {}
    lacking: dict[str, list[str]] = {}
    for column in COLUMNS:
        if not column.source:
            continue
        function = resolve_name(f"evaluate_metrics.{column.source}")
        if column.takes == "log":
            values[column.key] = "", np.array([function(tasks)])
            continue
        task = column.task or FORGET_TASK
        try:
            given = INPUTS[column.takes](task, tasks[task], tokens)
        except ValueError as error:
            lacking.setdefault(str(error), []).append(column.key)
            continue
        values[column.key] = task, _rows(column, given, function, len(tasks[task].loss))
    return values, lacking


def _rows(column: Column, given: Sequence[Any], function: Callable[..., Any], rows: int) -> np.ndarray:
    if len(given) != rows:
        raise ValueError(
            f"{column.key}: the log has {rows} rows of {column.task or FORGET_TASK}, the token log {len(given)}; "
            "evaluate again"
        )
    return np.asarray(function(given), dtype=float)
