"""Numbers of a log: what `clear-unlearning score` prints and the report shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from evaluate_metrics.clear_scores.clear_scores import clear_scores, task_scores
from evaluate_metrics.forget_quality.forget_quality import forget_quality
from evaluate_metrics.log_format import FORGET_TASK, read_log, read_meta
from evaluate_metrics.model_utility.model_utility import model_utility

LogSource = str | Path | Mapping[str, Any]


def score_log(log: LogSource, gold: LogSource | None = None) -> dict[str, Any]:
    """Computes every number of a log.

    Args:
        log: Log file, folder that holds it, or its content.
        gold: The gold model's, for forget quality; without it these numbers are None.

    Returns:
        `model_utility`, `real`, `retain`, `forget`, `forget_quality` (p), `forget_quality_statistic` (D),
        `forget_quality_log10`, and by task `probability`, `rouge` and `truth_ratio`.

    Raises:
        ValueError: If a log is not valid, or the gold log is of another forget set.
    """
    tasks = read_log(log)
    scores: dict[str, Any] = {"model_utility": model_utility(log), **clear_scores(log)}
    quality: dict[str, Any] = dict.fromkeys(("forget_quality", "statistic", "log10"))
    if gold is not None:
        golden = read_log(gold)
        splits = [read_meta(source).get("forget") for source in (log, gold)]
        if None not in splits and splits[0] != splits[1]:
            raise ValueError(f"the log is of {splits[0]}, the gold log of {splits[1]}: they cannot be compared")
        for name, content in (("log", tasks), ("gold log", golden)):
            if FORGET_TASK not in content:
                raise ValueError(f"the {name} has no task {FORGET_TASK}, which forget quality needs")
        quality = dict(
            forget_quality(tasks[FORGET_TASK].truth_ratios().tolist(), golden[FORGET_TASK].truth_ratios().tolist())
        )
    return {
        **scores,
        "forget_quality": quality["forget_quality"],
        "forget_quality_statistic": quality["statistic"],
        "forget_quality_log10": quality["log10"],
        "tasks": {task: task_scores(task, task_log) for task, task_log in tasks.items()},
    }


def number(value: float | None) -> str:
    """A number as the tables show it: three places, small ones by their power of ten."""
    if value is None:
        return "-"
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3f}"


def scores_table(scores: Mapping[str, Any]) -> Table:
    """The numbers of one log for the terminal."""
    table = Table("score", "value", title="scores")
    table.columns[1].justify = "right"
    for name, value in scores.items():
        if name != "tasks":
            table.add_row(name, number(value))
    for task, values in scores["tasks"].items():
        for name, value in values.items():
            table.add_row(f"{task}: {name}", number(value))
    return table


def report_table(report: Mapping[str, Any]) -> Table:
    """The rows of a report for a terminal of 80 columns; the report itself has more."""
    columns = {
        "forget_quality_statistic": "D\n↓",
        "forget_quality": "p\n↑",
        "model_utility": "utility\n↑",
        "real": "real\n↑",
        "retain": "retain\n↑",
        "forget": "forget\n→gold",
        "rouge_forget": "ROUGE\nf→gold",
        "rouge_retain": "ROUGE\nr ↑",
    }
    table = Table(
        title=f"{report['forget']}: what was forgotten (D, p) and what was kept",
        caption="→gold: best near gold's. ROUGE: on forget (f) and retain rows (r)",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    table.add_column("model", no_wrap=True)
    for title in columns.values():
        table.add_column(title, justify="right", no_wrap=True)
    for row in report["rows"]:
        cells = [number(row[key]) if key == "forget_quality" else f"{row[key]:.3f}" for key in columns]
        table.add_row(row["name"], *cells)
    return table
