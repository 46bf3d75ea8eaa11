"""Numbers of a log: what `clear-unlearning score` prints and the report shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from evaluate_metrics.clear_scores.compute import set_scores, task_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.log_format import TaskLog, check_same_rows, read_log, read_meta
from evaluate_metrics.model_utility.compute import utility_of
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import read_token_log

from .error_bars import error_bars, paired_intervals
from .further_scores import further_scores

LogSource = str | Path | Mapping[str, Any]
NO_BARS: dict[str, Any] = {
    "intervals": {},
    "forget_quality_permutation": None,
    "notes": [
        "the numbers of CLEAR's scripts, to be set beside old tables only; their ROUGE is that of --control text"
    ],
}


def score_log(
    log: LogSource, gold: LogSource | None = None, more_golds: Sequence[LogSource] = (), paper: str | None = None
) -> dict[str, Any]:
    """Computes every number of a log.

    Args:
        log: Log file, folder that holds it, or its content.
        gold: The gold model's, for forget quality; without it these numbers are None.
        more_golds: Logs of gold models of other seeds, which calibrate forget quality.
        paper: `clear`: forget quality, truth ratios and utility as CLEAR's scripts compute them, without intervals.

    Returns:
        `model_utility`, `real`, `retain`, `forget`, `forget_quality` (p), `forget_quality_statistic` (D),
        `forget_quality_calibrated`, `forget_quality_log10`, `forget_quality_permutation` (p by person), `wasserstein`
        (of the truth ratios); of the forget task `fluency`, `fluency_median`, `repetition`, `refusals`,
        `extraction_strength`, `exact_memorization`, `membership` and `privleak`, None where the log lacks what they
        need; `tasks` with `probability`, `rouge` and `truth_ratio` each, the `intervals` of what is resampled by
        person, and `notes` on what could not be had.

    Raises:
        ValueError: If a log is not valid, or the gold log is of another forget set.
    """
    tasks, meta = read_log(log), read_meta(log)
    scores: dict[str, Any] = {"model_utility": utility_of(tasks, paper), **set_scores(tasks, paper)}
    quality: dict[str, Any] = dict.fromkeys(("forget_quality", "statistic", "log10", "wasserstein", "calibrated"))
    sources: list[LogSource] = [] if gold is None else [gold, *more_golds]
    golds = [_gold_task(tasks, meta, source) for source in sources]
    golden = golds[0] if golds else None
    if golden is not None:
        ratios = [task.truth_ratios(paper).tolist() for task in (tasks[FORGET_TASK], *golds)]
        quality = dict(forget_quality(ratios[0], ratios[1], ratios[2:], paper=paper))
    bars = error_bars(tasks, meta, golden) if paper is None else NO_BARS
    further = further_scores(tasks, meta, read_token_log(log), None if gold is None else read_token_log(gold))
    return {
        **scores,
        "forget_quality": quality["forget_quality"],
        "forget_quality_calibrated": quality["calibrated"],
        "forget_quality_permutation": bars["forget_quality_permutation"],
        "forget_quality_statistic": quality["statistic"],
        "forget_quality_log10": quality["log10"],
        "wasserstein": quality["wasserstein"],
        **further.numbers,
        "tasks": {task: task_scores(task, task_log, paper) for task, task_log in tasks.items()},
        "intervals": {**bars["intervals"], **{name: list(ends) for name, ends in further.intervals.items()}},
        "notes": [
            *quality.get("warnings", []),
            *(_other_truths(tasks[FORGET_TASK], golds) if golds else []),
            *bars["notes"],
            *further.notes,
        ],
    }


def _gold_task(tasks: Mapping[str, TaskLog], meta: Mapping[str, Any], gold: LogSource) -> TaskLog:
    """The forget task of the gold log, if that is of the same forget set, rows, questions and control."""
    golden, gold_meta = read_log(gold), read_meta(gold)
    for name, value, other in (
        ("forget set", meta.get("forget"), gold_meta.get("forget")),
        ("control", meta.get("control"), gold_meta.get("control")),
        ("question seed", meta.get("seed"), gold_meta.get("seed")),
        ("dataset", *_rows_identity(meta.get("dataset", {}), gold_meta.get("dataset", {}))),
    ):
        if None not in (value, other) and value != other:
            raise ValueError(f"the log is of {name} {value}, the gold log of {other}: they cannot be compared")
    for name, content in (("log", tasks), ("gold log", golden)):
        if FORGET_TASK not in content:
            raise ValueError(f"the {name} has no task {FORGET_TASK}, which forget quality needs")
    return golden[FORGET_TASK]


def _rows_identity(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What tells the rows of two datasets apart: their fingerprints, or the revisions of the same repository."""
    if one.get("source") == other.get("source") and None in (one.get("fingerprint"), other.get("fingerprint")):
        return one.get("revision"), other.get("revision")
    return one.get("fingerprint"), other.get("fingerprint")


def _other_truths(task: TaskLog, golds: Sequence[TaskLog]) -> list[str]:
    """A note if the true answers of a log are not those of a gold log: all there is to see without metadata."""
    truths = [text[2] for text in task.generated]
    for gold in golds:
        others = {text[2] for text in gold.generated}
        missing = sum(truth not in others for truth in truths)
        if others and missing:
            return [f"{missing} of {len(truths)} true answers are not in a gold log: it seems to be of other rows"]
    return []


def compare_logs(one: LogSource, other: LogSource, gold: LogSource | None = None) -> dict[str, dict[str, Any]]:
    """Whether two models differ, by the people whom both were asked about.

    Args:
        one: Log of the first model.
        other: Log of the second on the same rows.
        gold: The gold model's, for the distances to it.

    Returns:
        By number `first`, `second`, the `interval` of first minus second, and `differs`: whether that lacks 0.

    Raises:
        ValueError: If the logs are not of the same rows, or their people are too few or not known.
    """
    logs = {"the first log": read_log(one), "the second log": read_log(other)}
    if gold is not None:
        logs["the gold log"] = read_log(gold)
    check_same_rows(logs)
    first, second = score_log(one, gold), score_log(other, gold)
    golden = None if gold is None else logs["the gold log"][FORGET_TASK]
    intervals = paired_intervals(logs["the first log"], logs["the second log"], read_meta(one), golden)
    return {
        name: {
            "first": first[name],
            "second": second[name],
            "interval": [low, high],
            "differs": not low <= 0 <= high,
        }
        for name, (low, high) in intervals.items()
    }


def number(value: float | None) -> str:
    """A number as the tables show it: three places, small ones by their power of ten."""
    if value is None:
        return "-"
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3f}"


def scores_table(scores: Mapping[str, Any]) -> Table:
    """The numbers of one log for the terminal."""
    table = Table("score", "value", "95 % interval", title="scores", caption="\n".join(scores["notes"]) or None)
    table.columns[1].justify = "right"
    shown = {**scores, **(scores["membership"] or {})}
    for name, value in shown.items():
        if name not in ("tasks", "intervals", "notes", "membership", "members", "others"):
            table.add_row(name, number(value), interval(scores["intervals"].get(name)))
    for task, values in scores["tasks"].items():
        for name, value in values.items():
            table.add_row(f"{task}: {name}", number(value))
    return table


def interval(ends: Sequence[float] | None) -> str:
    """An interval as the tables show it."""
    return "" if ends is None else f"{number(ends[0])} to {number(ends[1])}"


def comparison_table(compared: Mapping[str, Mapping[str, Any]]) -> Table:
    """Two models side by side for the terminal."""
    table = Table("score", "first", "second", "difference, 95 %", "differ", title="first against second")
    table.columns[0].no_wrap = True
    for name, found in compared.items():
        differs = "yes" if found["differs"] else "not shown"
        table.add_row(name, number(found["first"]), number(found["second"]), interval(found["interval"]), differs)
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
