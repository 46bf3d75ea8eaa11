"""The verdict: numbers of each audit with intervals, and for each person a light with what speaks for it.

The bounds of the light come from gold: its reach is the largest distance that a gold is from the other golds for any
person (with one gold, from its own mean over people), at least LEAST_REACH. Without a gold they come from strangers:
how far one of them is from the mean of the others. A person whose score is further above the golds', or above the
strangers' mean, than the reach is amber, further than MARGIN times the reach red.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluate_metrics.intervals import FEWEST_PEOPLE, percentiles, resampled_weights, weighted_means
from evaluate_metrics.ledger import ledger_of
from evaluate_metrics.log_format import read_log
from evaluate_metrics.tasks import FORGET_TASK

from . import AUDITS
from .measured import Measured
from .roles import AUDITED, ORIGINAL, STRANGERS, is_gold

GREEN, AMBER, RED = "green", "amber", "red"
LIGHTS = (GREEN, AMBER, RED)
LEAST_REACH = 0.05  # score below which no distance is taken for knowledge, as in the ledger
MARGIN = 2.0
By = Mapping[str, float]  # score by person


def reach(golds: Sequence[By], both_ways: bool = False) -> float:
    """Return how far a gold goes from what golds score of the same person, for anybody.

    Args:
        golds: Scores of each gold.
        both_ways: Below counts as well as above.
    """
    away = []
    for number, gold in enumerate(golds):
        others = [other for place, other in enumerate(golds) if place != number]
        for person, score in gold.items():
            usual = _mean([other[person] for other in others]) if others else _mean(list(gold.values()))
            away.append(abs(score - usual) if both_ways else score - usual)
    return max(LEAST_REACH, *away)


def reach_of_strangers(strangers: By, both_ways: bool = False) -> float:
    """Return how far the furthest stranger is above the mean of the others.

    Args:
        strangers: Scores of two or more.
        both_ways: Below counts as well as above.
    """
    away = [score - _mean([other for one, other in strangers.items() if one != person])
            for person, score in strangers.items()]  # fmt: skip
    return max(LEAST_REACH, *(map(abs, away) if both_ways else away))


@dataclass(frozen=True)
class Zero:
    """What nobody's knowledge looks like in an audit.

    Attributes:
        usual: Score of each person under models that never learnt them; the mean of strangers without a gold.
        bound: How far a score goes from it without cause.
    """

    usual: By
    bound: float


def zero(name: str, found: Mapping[str, Measured], role: str) -> Zero | None:
    """Return the zero of an audit for a model: of the other golds, else of the strangers; None without any.

    Args:
        name: Row of AUDITS.
        found: Results by role.
        role: The model; a gold is held against the other golds.
    """
    golds = [one.known() for other, one in found.items() if is_gold(other) and other != role]
    both = AUDITS[name].both_ways
    if golds:
        return Zero({person: _mean([gold[person] for gold in golds]) for person in golds[0]}, reach(golds, both))
    if STRANGERS in found and role != STRANGERS:
        strangers = found[STRANGERS].known()
        usual = dict.fromkeys(found[role].known(), _mean(list(strangers.values())))
        return Zero(usual, reach_of_strangers(strangers, both))
    return None


def light(excess: float, bound: float, both_ways: bool = False) -> str:
    """Return the light of a score that is so far above the golds'.

    Below them is a trace, never knowledge: amber at most, and only where both ways count.
    """
    far = abs(excess) if both_ways else excess
    return GREEN if far <= bound else RED if excess > MARGIN * bound else AMBER


def evidence(name: str, found: Mapping[str, Measured], role: str) -> dict[str, dict[str, Any]]:
    """Return what an audit says of each person under a model: scores, bound and light.

    Args:
        name: Row of AUDITS.
        found: Results by role.
        role: The model; a gold is held against the other golds.
    """
    none = zero(name, found, role) if role in found else None
    if none is None:
        return {}
    original = found.get(ORIGINAL)
    before = original.known() if original else {}
    return {
        person: {
            "score": score, "zero": none.usual[person], "original": before.get(person), "reach": none.bound,
            "light": light(score - none.usual[person], none.bound, AUDITS[name].both_ways),
        }
        for person, score in found[role].known().items()
    }  # fmt: skip


def numbers(name: str, found: Mapping[str, Measured], role: str) -> dict[str, Any]:
    """Return an audit's number of a model: the mean over people, what it is above the zero, and the intervals.

    `share` is what it is above the zero over what the original's is: 0 as gold, 1 as the original.

    Args:
        name: Row of AUDITS.
        found: Results by role.
        role: The model.
    """
    own = found[role].known()
    people = list(own)
    none = zero(name, found, role)
    values = np.array([own[person] for person in people])
    result: dict[str, Any] = {"score": float(values.mean()), "interval": _interval(people, values)}
    result |= {"above_zero": None, "above_zero_interval": None, "share": None}
    if none is not None:
        usual = np.array([none.usual[person] for person in people])
        result["above_zero"] = float((values - usual).mean())
        result["above_zero_interval"] = _interval(people, values - usual)
        if ORIGINAL in found:
            before = found[ORIGINAL].known()
            whole = float(np.mean([before[person] for person in people]) - usual.mean())
            result["share"] = result["above_zero"] / whole if abs(whole) > LEAST_REACH else None
    return result


def ledger(found: Mapping[str, Measured], role: str) -> dict[str, Any]:
    """Return the ledger of a model from the truth ratios that `answers` measured: people by name, bound and notes."""
    if "log" not in found[role].details:
        return {"share": None, "bound": None, "people": {}, "notes": []}
    tasks = {name: read_log(one.details["log"])[FORGET_TASK] for name, one in found.items()}
    golds = [task for name, task in tasks.items() if is_gold(name) and name != role]
    one = ledger_of(tasks.get(role), golds, tasks.get(ORIGINAL), found[role].details["person"])
    people = {about["person"]: about for about in one.found.get("people", [])}
    return {"share": one.found.get("share"), "bound": one.found.get("bound"), "people": people,
            "notes": list(one.notes)}  # fmt: skip


def people_of(results: Mapping[str, Mapping[str, Measured]], role: str, people: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entry of each person under a model: the light, and the evidence of each audit for it."""
    found = {name: evidence(name, one, role) for name, one in results.items()}
    counted = ledger(results["answers"], role)
    entries = []
    for person in people:
        own = {name: one[person] for name, one in found.items() if person in one}
        about = counted["people"].get(person, {})
        lights = {name: one["light"] for name, one in own.items()}
        if about.get("known") is not None:
            lights["ledger"] = RED if about["known"] else GREEN
        worst = max(lights.values(), key=LIGHTS.index, default=None)  # without a zero there is no light
        entries.append({
            "person": person, "light": worst,
            "because": [name for name, one in lights.items() if one == worst != GREEN],
            "share": about.get("share"), "over_forgotten": about.get("over_forgotten"), "evidence": own,
        })  # fmt: skip
    return entries


def control(results: Mapping[str, Mapping[str, Measured]], people: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many people the same rule marks who are not known: under each gold, held against the other golds.

    Without a gold: how many strangers, each held against the others. Nothing with one gold, or two strangers.
    """
    golds = [role for role in results["answers"] if is_gold(role)]
    counts = {}
    if STRANGERS in results["answers"] and len(results["answers"][STRANGERS].known()) > 2:
        lights = _strangers_lights(results)
        counts[STRANGERS] = {one: lights.count(one) for one in LIGHTS}
    for role in golds if len(golds) > 1 else []:
        lights = [entry["light"] for entry in people_of(results, role, people)]
        counts[role] = {one: lights.count(one) for one in LIGHTS}
    return counts


def _strangers_lights(results: Mapping[str, Mapping[str, Measured]]) -> list[str]:
    """Return the light of each stranger, if the others are all the strangers that there are."""
    lights: dict[str, list[str]] = {}
    for name, found in results.items():
        known, both = found[STRANGERS].known(), AUDITS[name].both_ways
        for person, score in known.items():
            others = {other: value for other, value in known.items() if other != person}
            if len(others) > 1:
                one = light(score - _mean(list(others.values())), reach_of_strangers(others, both), both)
                lights.setdefault(person, []).append(one)
    return [max(each, key=LIGHTS.index) for each in lights.values()]


def table(results: Mapping[str, Mapping[str, Measured]], roles: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the table of audits: numbers of each model, and the mean of each condition."""
    return {
        name: {
            "numbers": {role: numbers(name, found, role) for role in roles if role in found},
            "conditions": {
                role: {condition: _mean(list(found[role].by_person(condition).values()))
                       for condition in found[role].scores}
                for role in roles if role in found
            },
            "counted": list(found[AUDITED].counted),
            "reach": none.bound if (none := zero(name, found, AUDITED)) else None,
        }
        for name, found in results.items()
    }  # fmt: skip


def _interval(people: Sequence[str], values: np.ndarray) -> list[float] | None:
    if len(people) < FEWEST_PEOPLE:
        return None
    return list(percentiles(weighted_means(values, resampled_weights(people)), len(people)))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
