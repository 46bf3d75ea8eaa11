"""What U-LIRA and U-MIA share: logits of several models, and the rates of an attack with intervals by person."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluate_metrics.intervals import FEWEST_PEOPLE, RESAMPLES, percentiles

CLIP = 1e-6  # of cosines, so that their logits are finite
RATES = {"tpr_at_fpr_0.01": 0.01, "tpr_at_fpr_0.001": 0.001}


def cosine_logits(cosines: Any) -> np.ndarray:
    """Return the logits, log s - log(1 - s), of cosines s clipped to [1e-6, 1 - 1e-6]; NaN stays NaN."""
    clipped = np.clip(np.asarray(cosines, dtype=float), CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def checked_models(
    targets: Any, target_members: Any, shadows: Any, shadow_members: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return logits and membership of target and shadow models as arrays [models, examples].

    Raises:
        ValueError: If shapes do not fit or a logit is not finite.
    """
    targets, target_members = _checked("target", targets, target_members)
    shadows, shadow_members = _checked("shadow", shadows, shadow_members)
    if targets.shape[1] != shadows.shape[1]:
        raise ValueError(f"target models have {targets.shape[1]} examples, shadow models {shadows.shape[1]}")
    return targets, target_members, shadows, shadow_members


def _checked(what: str, logits: Any, members: Any) -> tuple[np.ndarray, np.ndarray]:
    logits, members = np.asarray(logits, dtype=float), np.asarray(members)
    if logits.ndim != 2 or logits.shape != members.shape or not logits.size:
        raise ValueError(
            f"{what} logits {logits.shape} and membership {members.shape} must be [models, examples] of one shape"
        )
    bad = np.argwhere(~np.isfinite(logits))
    if len(bad):
        raise ValueError(f"{what} model {bad[0][0]}, example {bad[0][1]}: the logit is {logits[tuple(bad[0])]}")
    return logits, members.astype(bool)


def attack_rates(
    name: str, scores: np.ndarray, guesses: np.ndarray, members: np.ndarray, people: Sequence[str] | None
) -> dict[str, Any]:
    """Return accuracy (by the metric's name), AUC and true positive rates of decisions [models, examples]."""
    if people is not None and len(people) != scores.shape[1]:
        raise ValueError(f"{len(people)} people are named for {scores.shape[1]} examples")
    if members.all() or not members.any():
        raise ValueError("the target models must have been trained on some of the examples and not on others")
    names, person = np.unique(np.asarray(people if people is not None else np.zeros(scores.shape[1])).astype(str),
                              return_inverse=True)  # fmt: skip
    owner = np.broadcast_to(person, scores.shape).ravel()
    right = np.bincount(owner, (guesses == members).ravel(), minlength=len(names))
    counts = _Counts(scores.ravel(), members.ravel(), owner, len(names))
    whole = np.ones((1, len(names)))
    results: dict[str, Any] = {key: float(v[0]) for key, v in _measures(name, counts, right, whole).items()}
    intervals, warnings = {}, []
    if people is not None and len(names) >= FEWEST_PEOPLE:
        drawn = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
        for key, values in _measures(name, counts, right, drawn.astype(float)).items():
            intervals[key] = list(percentiles(values, len(names)))
    elif people is not None:
        warnings = [f"no intervals: they need at least {FEWEST_PEOPLE} people, and there are {len(names)}"]
    return {**results, "intervals": intervals, "examples": int(scores.size), "warnings": warnings}


class _Counts:
    """How many members and others each person has at or above each score [scores from high to low, people]."""

    def __init__(self, scores: np.ndarray, members: np.ndarray, owner: np.ndarray, people: int) -> None:
        _, rank = np.unique(-scores, return_inverse=True)
        self.members, self.others = (np.zeros((rank.max() + 2, people)) for _ in range(2))
        np.add.at(self.members, (rank[members] + 1, owner[members]), 1)
        np.add.at(self.others, (rank[~members] + 1, owner[~members]), 1)
        at, above = self.members[1:], self.others.cumsum(0)
        below = above[-1] - above[1:] + 0.5 * self.others[1:]  # ties count half
        self.pairs = at.T @ below  # [person of the member, person of the other]
        self.members, self.others = self.members.cumsum(0), above


def _measures(name: str, counts: _Counts, right: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return accuracy, AUC and true positive rates if people count so often [resamples, people]."""
    members, others = weights @ counts.members[-1], weights @ counts.others[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        results = {
            name: weights @ right / (members + others),
            "auc": np.einsum("rp,pq,rq->r", weights, counts.pairs, weights, optimize=True) / (members * others),
        }
        for key, rate in RATES.items():
            low, high = np.zeros(len(weights), dtype=int), np.full(len(weights), len(counts.others) - 1)
            while (low < high).any():  # the lowest threshold at which no more than the rate of the others pass
                middle = (low + high + 1) // 2
                fits = np.einsum("rp,rp->r", counts.others[middle], weights) <= rate * others + 1e-9
                low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
            results[key] = np.einsum("rp,rp->r", counts.members[low], weights) / members
    return results
