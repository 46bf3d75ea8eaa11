"""U-LIRA: do shadow models tell forgotten examples from unseen ones? (arXiv 2403.01218, 2410.18057)."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

_DESCRIPTION = "Likelihood-ratio membership attack on unlearned models, one pair of Gaussians an example."
_CITATION = (
    "@article{hayes2024inexact, title={Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of "
    "Privacy}, journal={arXiv:2403.01218}}"
)
_INPUTS = """
Args:
    predictions: Logit of each example under each target model [target models, examples].
    references: 1 where the target model was trained on the example before unlearning, else 0; same shape.
    shadow_predictions: The same for the shadow models [shadow models, examples].
    shadow_references: Their membership, same shape.
    people: The person of each example, for intervals; optional.
    sigma: example (a spread of its own for each example, as in the paper) or shared (one for all, for few shadows).
    cosines: The values are cosines and become logits here.
"""

CLIP = 1e-6  # of cosines, so that their logits are finite
SMALLEST_SIGMA = 1e-3  # logits: shadow models that all agree say nothing of their spread
RATES = {"tpr_at_fpr_0.01": 0.01, "tpr_at_fpr_0.001": 0.001}
RESAMPLES = 2000
FEWEST_PEOPLE = 5  # with fewer, their resamples say nothing
SIGMAS = ("example", "shared")


def cosine_logits(cosines: Any) -> np.ndarray:
    """Logits, log s - log(1 - s), of cosines s clipped to [1e-6, 1 - 1e-6]; NaN stays NaN."""
    clipped = np.clip(np.asarray(cosines, dtype=float), CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def u_lira(
    targets: Any,
    target_members: Any,
    shadows: Any,
    shadow_members: Any,
    people: Sequence[str] | None = None,
    sigma: str = "example",
) -> dict[str, Any]:
    """How well membership before unlearning is seen from what is left.

    For each example a Gaussian is laid through the logits of the shadow models that were trained on it (and then
    unlearned it), another through those of the others: centre the median, sigma the median absolute deviation / .6745.
    A target model is said to have been trained on the example if the first is the likelier one.

    Args:
        targets: Logits of the target models [models, examples].
        target_members: Whether each was trained on each example [models, examples].
        shadows: Logits of the shadow models [shadow models, examples].
        shadow_members: The same of these [shadow models, examples].
        people: The person of each example: intervals resample people.
        sigma: One of SIGMAS.

    Returns:
        `u_lira` (accuracy; .5 is good), `auc`, the true positive rates at 1 % and .1 % false ones, `intervals` (95 %,
        by person; empty without people), `examples` (decisions) and `warnings`.

    Raises:
        ValueError: If shapes do not fit, a logit is not finite, or an example has other counts of shadow models in and
            out.
    """
    if sigma not in SIGMAS:
        raise ValueError(f"sigma must be {' or '.join(SIGMAS)}, not {sigma!r}")
    targets, target_members = _checked("target", targets, target_members)
    shadows, shadow_members = _checked("shadow", shadows, shadow_members)
    if targets.shape[1] != shadows.shape[1]:
        raise ValueError(f"target models have {targets.shape[1]} examples, shadow models {shadows.shape[1]}")
    inside, outside = shadow_members.sum(0), (~shadow_members).sum(0)
    wrong = np.flatnonzero((inside != outside) | (inside == 0))
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"example {at}: {inside[at]} shadow models were trained on it and {outside[at]} were not; as many of "
            "each are needed, and at least one"
        )
    odds = _log_density(targets, shadows, shadow_members, sigma) - _log_density(
        targets, shadows, ~shadow_members, sigma
    )
    return _rates("u_lira", odds, odds > 0, target_members, people)


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


def _log_density(targets: np.ndarray, shadows: np.ndarray, which: np.ndarray, sigma: str) -> np.ndarray:
    """Log density of the targets under the Gaussian of the shadow models of each example, less a constant."""
    chosen = np.where(which, shadows, np.nan)
    centre = np.nanmedian(chosen, axis=0)
    deviations = np.abs(chosen - centre)
    # Within few models the median deviation is far from the true one; over all examples it is not.
    spread = np.nanmedian(deviations, axis=0) if sigma == "example" else np.nanmedian(deviations)
    width = np.maximum(spread / 0.6745, SMALLEST_SIGMA)
    return -0.5 * ((targets - centre) / width) ** 2 - np.log(width)


def _rates(
    name: str, scores: np.ndarray, guesses: np.ndarray, members: np.ndarray, people: Sequence[str] | None
) -> dict[str, Any]:
    """Accuracy, by the metric's name, AUC and true positive rates of decisions [models, examples], with intervals."""
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
            low, high = np.nanquantile(values, [0.025, 0.975])
            intervals[key] = [float(low), float(high)]
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
    """Accuracy, AUC and true positive rates if people count so often [resamples, people]."""
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


class ULira(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        rows = datasets.List(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": rows, "references": rows}),
        )

    def _compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        shadow_predictions: Any = None,
        shadow_references: Any = None,
        people: Sequence[str] | None = None,
        sigma: str = "example",
        cosines: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if kwargs:
            raise ValueError(f"unknown argument {', '.join(kwargs)}")
        if shadow_predictions is None or shadow_references is None:
            raise ValueError("shadow_predictions and shadow_references are needed: the attack learns from them")
        if cosines:
            predictions, shadow_predictions = cosine_logits(predictions), cosine_logits(shadow_predictions)
        return u_lira(predictions, references, shadow_predictions, shadow_references, people, sigma)
