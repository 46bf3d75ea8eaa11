"""Excess distance to the gold models: how much of what the original knew is still there, and of whom.

With K gold models of different seeds and l = log R of a row, the excess distance is the mean over rows of
`(l - mean_g l_g)^2 - (1 + 1/K) s^2`, s^2 the variance of the row over the golds: on average 0 for another gold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluate_metrics.intervals import FEWEST_PEOPLE, log_ratios, percentiles, rank_among, resampled_weights

FOR_VARIANCE, FOR_PEOPLE = 2, 3  # golds: a verdict on people compares each gold with at least two others
MARGIN = 2.0  # the bound is so many times the largest share of a gold
LEAST_BOUND = 0.05  # share of the original's distance below which nothing is claimed of a person
LEARNT = 4.0  # a person has a share if the original's excess is so many times the largest of a gold


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
    if len(golds) < FOR_VARIANCE:
        raise ValueError(f"the distance to gold needs at least {FOR_VARIANCE} gold models, and there are {len(golds)}")
    sizes = {len(log) for log in logs} | ({len(people)} if people is not None else set())
    if len(sizes) > 1:
        raise ValueError(f"the models must answer the same rows; there are {', '.join(map(str, sorted(sizes)))}")
    gold, first = np.stack(logs[1 : len(golds) + 1]), logs[-1] if original is not None else None
    model, known = _excess(logs[0], gold), None if first is None else _excess(first, gold)
    excess, every = float(model.squared.mean()), np.arange(len(logs[0]))
    share, signed = _shares(model, known, every)
    result: dict[str, Any] = {
        "excess": excess,
        "distance": max(0.0, excess) ** 0.5,
        "share": share,
        "signed_share": signed,
        "rank_p": gold_rank(logs[0], gold),
        "golds": len(golds),
        "bound": None,
        "range": None,
        "people": [],
        "still_known": [],
        "over_forgotten": [],
        "intervals": {},
        "warnings": [],
    }
    if known is not None and share is None:
        result["warnings"].append("no shares: the original is as near to the golds as they are to one another")
    if people is None:
        return result
    labels = np.asarray(people, dtype=str)
    rows = {name: np.flatnonzero(labels == name) for name in dict.fromkeys(labels.tolist())}
    strangers: set[str] = set()
    if first is not None and known is not None and share is not None and len(golds) >= FOR_PEOPLE:
        left = (_shares(_excess(logs[0], others), _excess(first, others), every)[0] for _, others in _left_out(gold))
        shares = [share for share in left if share is not None]
        result["range"] = [min(shares), max(shares)] if shares else []
        least = LEARNT * _largest_excess(gold, list(rows.values()))
        strangers = {name for name, part in rows.items() if known.squared[part].mean() <= least}
        if strangers:
            result["warnings"].append(
                f"no share for {', '.join(sorted(strangers))}: the original hardly knows them better than a gold does"
            )
        learnt = [part for name, part in rows.items() if name not in strangers]
        result["bound"] = _known_bound(gold, first, learnt) if learnt else None
    for name, part in rows.items():
        seen = None if name in strangers else known
        result["people"].append(_about(name, part, model, seen, result["bound"]))
    result["still_known"] = [about["person"] for about in result["people"] if about["known"]]
    result["over_forgotten"] = [about["person"] for about in result["people"] if about["over_forgotten"]]
    if len(rows) < FEWEST_PEOPLE:
        result["warnings"].append(
            f"no intervals: they need at least {FEWEST_PEOPLE} people, and there are {len(rows)}"
        )
    else:
        result["intervals"] = _intervals(model, known if share is not None else None, people)
    return result


def gold_rank(model: np.ndarray, golds: np.ndarray) -> float:
    """Rank log truth ratios of a model [rows] among those of golds [golds, rows], see `rank_among`."""
    return rank_among(model, list(golds), lambda one, other: float(((one - other) ** 2).mean()))


def _about(name: str, rows: np.ndarray, model: _Excess, known: _Excess | None, bound: float | None) -> dict[str, Any]:
    """Return the entry of a person, whose verdict needs shares and a bound."""
    share, signed = _shares(model, known, rows)
    over = still = None
    if share is not None and signed is not None and bound is not None:
        over = share > bound and signed < -(bound**0.5)
        still = share > bound and not over
    return {
        "person": name, "rows": len(rows), "excess": float(model.squared[rows].mean()),
        "share": share, "signed_share": signed, "known": still, "over_forgotten": over,
    }  # fmt: skip


def _left_out(golds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each gold [rows] and the others [golds - 1, rows]."""
    for number, gold in enumerate(golds):
        yield gold, np.delete(golds, number, axis=0)


def _largest_excess(golds: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """Return the largest excess distance, of either sign, of a person under a gold compared with the others."""
    apart = [_excess(gold, others) for gold, others in _left_out(golds)]
    return max(abs(float(one.squared[part].mean())) for one in apart for part in parts)


def _known_bound(golds: np.ndarray, original: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """Return the share that no person reaches whom a model has never seen.

    Compare each gold with the others: the bound is twice the largest share of a person, and at least 0.05.

    Args:
        golds: Log truth ratios of the golds [golds, rows].
        original: Those of the original [rows].
        parts: Rows of each person whom the original knows.
    """
    largest = 0.0
    for gold, others in _left_out(golds):
        one, known = _excess(gold, others), _excess(original, others)
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
    return log_ratios(values)
