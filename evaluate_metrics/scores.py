"""Compute the numbers of logs: of one, and of two side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluate_metrics.clear_scores.compute import set_scores, task_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.intervals import FEWEST_PEOPLE, Interval, percentiles, resampled_weights, weighted_aucs
from evaluate_metrics.log_format import LogSource, TaskLog, check_same_rows, read_log, read_meta
from evaluate_metrics.membership.compute import membership_scores, rates
from evaluate_metrics.model_utility.compute import utility_of
from evaluate_metrics.privleak.compute import privleak
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import WITHOUT_TOKENS, TokenLog, read_token_log

from .columns import COLUMNS
from .error_bars import error_bars, paired_intervals, people_of
from .ledger import Ledger, ledger_of
from .sources import source_values

NO_BARS: dict[str, Any] = {
    "intervals": {},
    "forget_quality_permutation": None,
    "notes": [
        "the numbers of CLEAR's scripts, for comparison with old tables only; their ROUGE is that of --control text"
    ],
}
ATTACK = "min_k"  # what privleak compares, as in MUSE and open-unlearning


def score_log(
    log: LogSource,
    gold: LogSource | None = None,
    more_golds: Sequence[LogSource] = (),
    paper: str | None = None,
    original: LogSource | None = None,
) -> dict[str, Any]:
    """Compute every number of a log.

    Args:
        log: Log file, folder that holds it, its content, or a log in memory.
        gold: The gold model's, for forget quality; without it these numbers are None.
        more_golds: Logs of gold models of other seeds: they calibrate forget quality; the distance to gold needs two.
        paper: `clear`: forget quality, truth ratios and utility as CLEAR's scripts compute them, without intervals.
        original: The original model's, for the share of its distance that is left, and for the people.

    Returns:
        The numbers of `columns.COLUMNS` that a log can have, None where it lacks what they need. Besides, `membership`
        and `privleak`; `tasks` with `probability`, `rouge` and `truth_ratio` each; `people`, the ledger of
        `gold_distance`; the `intervals` of what is resampled by person; and `notes` on what could not be had.

    Raises:
        ValueError: If a log is not valid, or a gold or original log is of another role, forget set or dataset.
    """
    if paper not in (None, "clear"):
        raise ValueError(f"unknown paper {paper!r}; choose from clear")
    if paper is not None and original is not None:
        raise ValueError("the original's log is not used by the paper's numbers; leave out --original or --paper")
    tasks, meta = read_log(log), read_meta(log)
    scores: dict[str, Any] = {"model_utility": utility_of(tasks, paper), **set_scores(tasks, paper)}
    quality: dict[str, Any] = dict.fromkeys(("forget_quality", "statistic", "log10", "wasserstein", "calibrated"))
    sources: list[LogSource] = [] if gold is None else [gold, *more_golds]
    golds = [_reference("gold", tasks, meta, source) for source in sources]
    first = None if original is None else _reference("original", tasks, meta, original)
    golden = golds[0] if golds else None
    if golden is not None:
        ratios = [task.truth_ratios(paper).tolist() for task in (tasks[FORGET_TASK], *golds)]
        quality = dict(forget_quality(ratios[0], ratios[1], ratios[2:], paper=paper))
    bars = error_bars(tasks, meta, golden) if paper is None else NO_BARS
    persons = people_of(tasks, meta).get(FORGET_TASK)
    ledger = ledger_of(tasks.get(FORGET_TASK), golds, first, persons) if paper is None else Ledger()
    further = further_scores(tasks, meta, read_token_log(log), None if gold is None else read_token_log(gold))
    return {
        **ledger.numbers(),
        **scores,
        "forget_quality": quality["forget_quality"],
        "forget_quality_calibrated": quality["calibrated"],
        "forget_quality_permutation": bars["forget_quality_permutation"],
        "forget_quality_statistic": quality["statistic"],
        "forget_quality_log10": quality["log10"],
        "wasserstein": quality["wasserstein"],
        **further.numbers,
        "tasks": {task: task_scores(task, task_log, paper) for task, task_log in tasks.items()},
        "people": ledger.found.get("people", []),
        "people_bound": ledger.found.get("bound"),
        "intervals": {
            **ledger.intervals(),
            **bars["intervals"],
            **{name: list(ends) for name, ends in further.intervals.items()},
        },
        "notes": [
            *quality.get("warnings", []),
            *(_other_truths(tasks[FORGET_TASK], golds) if golds else []),
            *ledger.notes,
            *bars["notes"],
            *further.notes,
            *_floor_notes(meta),
        ],
    }


MADE_BY = {
    "gold": "give the log of a model that was fine-tuned only on the retain set",
    "original": "give the log of the model before unlearning",
}


def _reference(role: str, tasks: Mapping[str, TaskLog], meta: Mapping[str, Any], source: LogSource) -> TaskLog:
    """Return the forget task of the log of a gold or original model.

    Raises:
        ValueError: If its model has another role, or its forget set, rows, questions or control are others.
    """
    reference, reference_meta = read_log(source), read_meta(source)
    about = reference_meta.get("lineage", {})
    if reference_meta.get("floor"):
        raise ValueError(f"the {role} log is of a floor, {reference_meta['floor']['name']}: {MADE_BY[role]}")
    if about.get("role") not in (None, role):
        raise ValueError(
            f"the {role} log is of a model that is not {role}: its role is {about['role']!r}, trained on "
            f"{about.get('trained_on')}; {MADE_BY[role]}"
        )
    for name, value, other in (
        ("forget set", meta.get("forget"), reference_meta.get("forget")),
        ("control", meta.get("control"), reference_meta.get("control")),
        ("question seed", meta.get("seed"), reference_meta.get("seed")),
        ("dataset", *_rows_identity(meta.get("dataset", {}), reference_meta.get("dataset", {}))),
        *(
            (title, meta.get("template", {}).get(key), reference_meta.get("template", {}).get(key))
            for key, title in (("digest", "chat template"), ("date", "prompt date"), ("prompt", "first prompt"))
        ),
    ):
        if None not in (value, other) and value != other:
            raise ValueError(f"the log is of {name} {value}, the {role} log of {other}: they cannot be compared")
    for name, content in (("log", tasks), (f"{role} log", reference)):
        if FORGET_TASK not in content:
            raise ValueError(f"the {name} has no task {FORGET_TASK}, which the comparison with {role} needs")
    return reference[FORGET_TASK]


def _rows_identity(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return what distinguishes the rows of two datasets: fingerprints, or revisions of the same repository."""
    if one.get("source") == other.get("source") and None in (one.get("fingerprint"), other.get("fingerprint")):
        return one.get("revision"), other.get("revision")
    return one.get("fingerprint"), other.get("fingerprint")


def _other_truths(task: TaskLog, golds: Sequence[TaskLog]) -> list[str]:
    """Return a note if the true answers of a log are not those of a gold log: all there is to see without metadata."""
    truths = [text[2] for text in task.generated]
    for gold in golds:
        others = {text[2] for text in gold.generated}
        missing = sum(truth not in others for truth in truths)
        if others and missing:
            return [f"{missing} of {len(truths)} true answers are not in a gold log: it seems to be of other rows"]
    return []


def _floor_notes(meta: Mapping[str, Any]) -> list[str]:
    """Return a note if a log is of a floor."""
    floor = meta.get("floor")
    return (
        [f"floor {floor['name']}: no weight has changed; a method must beat it, and it is not ranked"] if floor else []
    )


def compare_logs(one: LogSource, other: LogSource, gold: LogSource | None = None) -> dict[str, dict[str, Any]]:
    """Return whether two models differ, by the people whom both were asked about.

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


@dataclass
class Scored:
    """Numbers that columns compute by themselves, and those of the attacks: None where the log lacks what they need.

    Attributes:
        numbers: By key; `membership` (a dict of its numbers) and `privleak` among them.
        intervals: Low and high end of 95 %, by key; those of `auc_<attack>` among them.
        notes: What is missing and why.
    """

    numbers: dict[str, Any]
    intervals: dict[str, Interval]
    notes: list[str]


def further_scores(
    tasks: Mapping[str, TaskLog], meta: Mapping[str, Any], tokens: TokenLog, gold: TokenLog | None
) -> Scored:
    """Compute the columns that have a source, and the membership attacks.

    Args:
        tasks: The log.
        meta: Its metadata.
        tokens: Its token log.
        gold: The token log of the gold model, None without one.

    Raises:
        ValueError: If the token log is of other rows.
    """
    keys = [column.key for column in COLUMNS if column.source]
    found = Scored(dict.fromkeys((*keys, "membership", "privleak")), {}, [])
    if FORGET_TASK not in tasks:
        return found
    values, lacking = source_values(tasks, tokens)
    people = people_of(tasks, meta)
    for key, (task, rows) in values.items():
        found.numbers[key] = float(rows.mean())
        if task in people and len(set(people[task])) >= FEWEST_PEOPLE:
            weights = resampled_weights(people[task])
            found.intervals[key] = percentiles(weights @ rows / weights.sum(1), len(set(people[task])))
    if FORGET_TASK in tokens.tasks:
        _add_membership(found, tokens, gold)
    else:
        lacking.setdefault(WITHOUT_TOKENS, []).extend(("membership", "privleak"))
    found.notes += [f"no {', '.join(keys)}: {why}" for why, keys in lacking.items()]
    return found


def _add_membership(found: Scored, tokens: TokenLog, gold: TokenLog | None) -> None:
    """Add `membership`, its intervals, and with the gold model's tokens `privleak`."""
    try:
        inputs = tokens.membership_inputs(FORGET_TASK)
        scores = _attacks(inputs)
    except ValueError as error:
        found.notes.append(f"no membership, privleak: {error}")
        return
    labels = inputs["references"]
    numbers = rates(scores, labels)
    found.notes += numbers.pop("warnings")
    found.numbers["membership"] = numbers
    member = np.array(labels) == 1
    people = np.array(inputs["people"])
    fewest = min(len(set(people[side])) for side in (member, ~member))
    if fewest >= FEWEST_PEOPLE:
        weights = [resampled_weights(people[side].tolist()) for side in (member, ~member)]
        for attack, values in scores.items():
            aucs = weighted_aucs(values[member], values[~member], *weights)
            found.intervals[f"auc_{attack}"] = percentiles(aucs, fewest)
    if gold is None:
        return
    try:
        golden = gold.membership_inputs(FORGET_TASK)
        if golden["texts"] != inputs["texts"]:
            raise ValueError("the gold log is of other people")
        gold_auc = rates(_attacks(golden), labels)[f"auc_{ATTACK}"]
        found.numbers["privleak"] = privleak(numbers[f"auc_{ATTACK}"], gold_auc)["privleak"]
    except ValueError as error:
        found.notes.append(f"no privleak; of the gold log: {error}")


def _attacks(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Score of each example by each attack."""
    given = dict(inputs)
    return membership_scores(given.pop("predictions"), given.pop("references"), **given)
