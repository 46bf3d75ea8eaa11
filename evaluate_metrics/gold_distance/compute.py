"""Excess distance to the gold models: how much of what the original knew is still there, and of whom.

With K gold models of different seeds and l = log R of a row, the excess distance is the mean over rows of
`(l - mean_g l_g)^2 - (1 + 1/K) s^2`, s^2 the variance of the row over the golds: on average 0 for another gold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluate_metrics.intervals import FEWEST_PEOPLE, percentiles, resampled_weights

FEWEST_GOLDS = 2  # for a variance; of 3 each can be held against the others
MARGIN = 2.0  # the bound is so many times the largest share of a gold
LEAST_BOUND = 0.05  # share of the original's distance below which nothing is claimed of a person
LEARNT = 4.0  # a person has a share if the original's excess is so many times the largest of a gold
SMALLEST = 5e-324  # truth ratios are exp of something, and may be rounded to 0


@dataclass(frozen=True)
class _Excess:
    """Squared and signed distance of a model's rows from golds, freed from the golds' own spread [rows]."""

    squared: np.ndarray
    signed: np.ndarray


def _excess(model: np.ndarray, golds: np.ndarray) -> _Excess:
    """Compare log truth ratios [rows] with those of golds [golds, rows]."""
    away = model - golds.mean(0)
    return _Excess(away**2 - (1 + 1 / len(golds)) * golds.var(0, ddof=1), away)


def gold_distance(
    unlearned: Sequence[float],
    golds: Sequence[Sequence[float]],
    original: Sequence[float] | None = None,
    people: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return how far a model is from the gold models, in all and by person.

    Args:
        unlearned: Truth ratio R of each forget example under the model.
        golds: The same under gold models of different seeds, in the same order of rows: at least 2, better 3 to 5.
        original: The same under the original model, for the shares; without it they are None.
        people: The person of each row, for the ledger and the intervals.

    Returns:
        `excess` (E, nats squared) and `distance` (its square root in nats, 0 if E is below 0); `share` (E over the
        original's: 0 like gold, 1 like the original); `signed_share` (mean of l minus the golds' mean, over the
        original's: below 0 the truth is less likely than for a model that never saw it); `rank_p` (share of the K + 1
        models that are at least as far from the others, by mean squared distance; not below 1 / (K + 1)); `golds`.

        With 3 golds or more, `bound`: a person with a share above it is not as in gold, but over-forgotten if the
        signed share is also below minus its square root, else still known. `people` has a dict for each: `person`,
        `rows`, `excess`, `share`, `signed_share`, `known`, `over_forgotten`; the last four are None for a person whom
        the original hardly knows, since a share of next to nothing means nothing. `still_known` and `over_forgotten`
        have their names. `range` is the lowest and highest share with each gold left out; `intervals` are 95 %, by
        person; `warnings` are sentences.

    Raises:
        ValueError: If there are fewer than 2 golds, samples differ in size, or a value is negative or not finite.
    """
    names = ["unlearned", *(f"gold {number}" for number in range(1, len(golds) + 1)), "original"]
    samples = [unlearned, *golds, *([original] if original is not None else [])]
    logs = [_logs(name, sample) for name, sample in zip(names, samples, strict=False)]
    if len(golds) < FEWEST_GOLDS:
        raise ValueError(f"the distance to gold needs at least {FEWEST_GOLDS} gold models, and there are {len(golds)}")
    sizes = {len(log) for log in logs} | ({len(people)} if people is not None else set())
    if len(sizes) > 1:
        raise ValueError(f"the models must answer the same rows; there are {', '.join(map(str, sorted(sizes)))}")
    gold = np.stack(logs[1 : len(golds) + 1])
    model, known = _excess(logs[0], gold), _excess(logs[-1], gold) if original is not None else None
    excess = float(model.squared.mean())
    result: dict[str, Any] = {
        "excess": excess,
        "distance": max(0.0, excess) ** 0.5,
        "share": None,
        "signed_share": None,
        "rank_p": rank_p(logs[0], gold),
        "golds": len(golds),
        "bound": None,
        "range": None,
        "people": [],
        "still_known": [],
        "over_forgotten": [],
        "intervals": {},
        "warnings": [],
    }
    rows = [np.arange(len(logs[0]))]
    result["share"], result["signed_share"] = _shares(model, known, rows[0])
    if known is not None and result["share"] is None:
        result["warnings"].append("no shares: the original is as near to the golds as they are to one another")
    if people is None:
        return result
    labels = np.asarray(people, dtype=str)
    ledger = {name: np.flatnonzero(labels == name) for name in dict.fromkeys(labels.tolist())}
    strangers: set[str] = set()
    if known is not None and result["share"] is not None and len(golds) > FEWEST_GOLDS:
        result["range"] = _range(logs[0], gold, logs[-1])
        least = LEARNT * largest_excess(gold, list(ledger.values()))
        strangers = {name for name, part in ledger.items() if known.squared[part].mean() <= least}
        if strangers:
            result["warnings"].append(
                f"no share for {', '.join(sorted(strangers))}: the original hardly knows them better than a gold does"
            )
        learnt = [part for name, part in ledger.items() if name not in strangers]
        result["bound"] = known_bound(gold, logs[-1], learnt) if learnt else None
    for name, part in ledger.items():
        share, signed = _shares(model, None if name in strangers else known, part)
        about: dict[str, Any] = {
            "person": name, "rows": len(part), "excess": float(model.squared[part].mean()),
            "share": share, "signed_share": signed, "known": None, "over_forgotten": None,
        }  # fmt: skip
        if share is not None and signed is not None and result["bound"] is not None:
            about["over_forgotten"] = share > result["bound"] and signed < -(result["bound"] ** 0.5)
            about["known"] = share > result["bound"] and not about["over_forgotten"]
        result["people"].append(about)
    result["still_known"] = [about["person"] for about in result["people"] if about["known"]]
    result["over_forgotten"] = [about["person"] for about in result["people"] if about["over_forgotten"]]
    if len(ledger) < FEWEST_PEOPLE:
        result["warnings"].append(
            f"no intervals: they need at least {FEWEST_PEOPLE} people, and there are {len(ledger)}"
        )
    else:
        result["intervals"] = _intervals(model, known if result["share"] is not None else None, people)
    return result


def rank_p(model: np.ndarray, golds: np.ndarray) -> float:
    """Return the share of the K + 1 models that are at least as far from the others as this one is.

    Args:
        model: Log truth ratios [rows].
        golds: Those of the golds [golds, rows].
    """
    every = np.concatenate([model[None], golds])
    pairs = ((every[:, None] - every[None]) ** 2).mean(2)
    away = pairs.sum(1) / (len(every) - 1)
    return float((away >= away[0] - 1e-12).mean())


def largest_excess(golds: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """Return the largest excess distance, of either sign, of a person under a gold held against the others.

    Args:
        golds: Log truth ratios of the golds [golds, rows].
        parts: Rows of each person.
    """
    apart = [_excess(gold, np.delete(golds, number, axis=0)) for number, gold in enumerate(golds)]
    return max(abs(float(one.squared[part].mean())) for one in apart for part in parts)


def known_bound(golds: np.ndarray, original: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """Return the share that nobody reaches whom a model has never seen.

    Each gold is held against the others; the bound is twice the largest share of a person, and at least 0.05.

    Args:
        golds: Log truth ratios of the golds [golds, rows].
        original: Those of the original [rows].
        parts: Rows of each person whom the original knows.
    """
    largest = 0.0
    for number in range(len(golds)):
        others = np.delete(golds, number, axis=0)
        one, known = _excess(golds[number], others), _excess(original, others)
        for part in parts:
            share, signed = _shares(one, known, part)
            largest = max(largest, abs(share or 0.0), 0.0 if signed is None else min(abs(signed), 1.0) ** 2)
    return max(LEAST_BOUND, MARGIN * largest)


def _shares(model: _Excess, known: _Excess | None, rows: np.ndarray) -> tuple[float | None, float | None]:
    """Return E and the signed distance over the original's; None where the original's is not above 0."""
    if known is None or known.squared[rows].mean() <= 0:
        return None, None
    whole = known.signed[rows].mean()
    signed = float(model.signed[rows].mean() / whole) if whole else None
    return float(model.squared[rows].mean() / known.squared[rows].mean()), signed


def _range(model: np.ndarray, golds: np.ndarray, original: np.ndarray) -> list[float]:
    """Return the lowest and the highest share with each gold left out."""
    found = []
    for number in range(len(golds)):
        others = np.delete(golds, number, axis=0)
        share, _ = _shares(_excess(model, others), _excess(original, others), np.arange(len(model)))
        found += [] if share is None else [share]
    return [min(found), max(found)] if found else []


def _intervals(model: _Excess, known: _Excess | None, people: Sequence[str]) -> dict[str, list[float]]:
    weights, count = resampled_weights(people), len(set(people))
    excess = weights @ model.squared / weights.sum(1)
    found = {"excess": list(percentiles(excess, count))}
    if known is not None:
        found["share"] = list(percentiles(excess / (weights @ known.squared / weights.sum(1)), count))
        found["signed_share"] = list(percentiles(weights @ model.signed / (weights @ known.signed), count))
    return found


def _logs(name: str, sample: Sequence[float]) -> np.ndarray:
    values = np.asarray(sample, dtype=float).reshape(-1)
    if not len(values) or not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"the truth ratios of the {name} model are empty, negative or not finite")
    return np.log(np.maximum(values, SMALLEST))
