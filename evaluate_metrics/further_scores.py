"""Numbers of a log beyond TOFU's, as far as it carries what they need: fluency, memorization, membership, privleak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluate_metrics.exact_memorization.compute import exact_memorizations
from evaluate_metrics.extraction_strength.compute import extraction_strengths
from evaluate_metrics.fluency.compute import is_refusal, repetition
from evaluate_metrics.intervals import FEWEST_PEOPLE, Interval, percentiles, resampled_weights, weighted_aucs
from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.membership.compute import membership_scores, rates
from evaluate_metrics.privleak.compute import privleak
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import WITHOUT_JUDGE, WITHOUT_TOKENS, TokenLog

from .error_bars import people_of

MEANS = ("fluency", "fluency_median", "repetition", "refusals", "extraction_strength", "exact_memorization")
ATTACK = "min_k"  # what privleak compares, as in MUSE and open-unlearning


@dataclass
class Scored:
    """Numbers of the forget task: None where the log lacks what they need.

    Attributes:
        numbers: MEANS, `membership` (a dict of its numbers) and `privleak`.
        intervals: Low and high end of 95 %, by name; those of `auc_<attack>` among them.
        notes: What could not be had and why.
    """

    numbers: dict[str, Any]
    intervals: dict[str, Interval]
    notes: list[str]


def further_scores(
    tasks: Mapping[str, TaskLog], meta: Mapping[str, Any], tokens: TokenLog, gold: TokenLog | None
) -> Scored:
    """Computes what stands beyond TOFU's numbers, for the forget task.

    Args:
        tasks: The log.
        meta: Its metadata.
        tokens: What stands beside it.
        gold: What stands beside the gold log, None without one.

    Raises:
        ValueError: If what stands beside the log is about other rows.
    """
    found = Scored(dict.fromkeys((*MEANS, "membership", "privleak")), {}, [])
    if FORGET_TASK not in tasks:
        return found
    people = people_of(tasks, meta).get(FORGET_TASK)
    weights = resampled_weights(people) if people and len(set(people)) >= FEWEST_PEOPLE else None
    for name, values in _columns(tasks[FORGET_TASK], tokens, found.notes).items():
        if len(values) != len(tasks[FORGET_TASK].loss):
            raise ValueError(
                f"{name}: the log has {len(tasks[FORGET_TASK].loss)} rows of {FORGET_TASK}, the file beside it "
                f"{len(values)}; evaluate again"
            )
        found.numbers[name] = float(values.mean())
        if weights is not None:
            found.intervals[name] = percentiles(weights @ values / weights.sum(1))
    if FORGET_TASK in tokens.tasks:
        _add_membership(found, tokens, gold)
    return found


def _add_membership(found: Scored, tokens: TokenLog, gold: TokenLog | None) -> None:
    """Adds `membership`, its intervals, and with the gold model's tokens `privleak`."""
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
    if min(len(set(people[side])) for side in (member, ~member)) >= FEWEST_PEOPLE:
        weights = [resampled_weights(people[side].tolist()) for side in (member, ~member)]
        for attack, values in scores.items():
            found.intervals[f"auc_{attack}"] = percentiles(weighted_aucs(values[member], values[~member], *weights))
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
    """Scores of each example by each attack."""
    given = dict(inputs)
    return membership_scores(given.pop("predictions"), given.pop("references"), **given)


def _columns(task: TaskLog, tokens: TokenLog, notes: list[str]) -> dict[str, np.ndarray]:
    """The values of each row, by the name of their mean."""
    columns: dict[str, np.ndarray] = {}
    said = [texts[1] for texts in task.generated]
    if FORGET_TASK in tokens.judge_losses:
        columns["fluency"] = np.array([np.mean(row) for row in tokens.judge_losses[FORGET_TASK]])
        columns["fluency_median"] = np.array([np.median(row) for row in tokens.judge_losses[FORGET_TASK]])
    else:
        notes.append(f"no fluency: {WITHOUT_JUDGE}")
    if said:
        columns["repetition"] = np.array([repetition(text) for text in said])
        columns["refusals"] = np.array([float(is_refusal(text)) for text in said])
    if FORGET_TASK in tokens.tasks:
        columns["extraction_strength"] = extraction_strengths(tokens.tasks[FORGET_TASK].hits)
        columns["exact_memorization"] = exact_memorizations(tokens.tasks[FORGET_TASK].hits)
    else:
        notes.append(f"no extraction_strength, exact_memorization, membership, privleak: {WITHOUT_TOKENS}")
    return columns
