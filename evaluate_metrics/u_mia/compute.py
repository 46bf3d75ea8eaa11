"""U-MIA: does one classifier tell forgotten examples from unseen ones? (arXiv 2403.01218, 2410.18057)."""

import heapq
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluate_metrics.attack_rates import attack_rates
from evaluate_metrics.attack_rates import checked_models

LEAVES = 256


def u_mia(
    targets: Any,
    target_members: Any,
    shadows: Any,
    shadow_members: Any,
    people: Sequence[str] | None = None,
    classifier: str = "tree",
) -> dict[str, Any]:
    """Return how well membership before unlearning is seen from a logit, whosever it is.

    Args:
        targets: Logits of the target models [models, examples].
        target_members: Whether each was trained on each example [models, examples].
        shadows: Logits of the shadow models [shadow models, examples].
        shadow_members: The same of these [shadow models, examples].
        people: The person of each example: intervals resample people.
        classifier: A key of CLASSIFIERS.

    Returns:
        `u_mia` (accuracy; .5 is good), `auc`, the true positive rates at 1 % and .1 % false ones, `intervals` (95 %,
        by person; empty without people), `examples` (decisions) and `warnings`.

    Raises:
        ValueError: If shapes do not fit, a logit is not finite, or there are not as many shadow logits in as out.
    """
    if classifier not in CLASSIFIERS:
        raise ValueError(f"classifier must be {' or '.join(CLASSIFIERS)}, not {classifier!r}")
    targets, target_members, shadows, shadow_members = checked_models(targets, target_members, shadows, shadow_members)
    inside, outside = int(shadow_members.sum()), int((~shadow_members).sum())
    if inside != outside:
        raise ValueError(
            f"{inside} shadow logits are of examples trained on and {outside} of others; as many are needed"
        )
    chance = CLASSIFIERS[classifier](shadows.ravel(), shadow_members.ravel(), targets.ravel()).reshape(targets.shape)
    return attack_rates("u_mia", chance, chance > 0.5, target_members, people)


def _tree(values: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the chance of membership by a decision tree: the best split first, by entropy, up to LEAVES leaves.

    Over one number a tree is a partition of the line.
    """
    order = np.argsort(values, kind="stable")
    values, labels = values[order], labels[order]
    sums = np.concatenate([[0], np.cumsum(labels)])

    def impurity(positive: np.ndarray, count: np.ndarray) -> np.ndarray:
        share = positive / count
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
        return count * np.nan_to_num(entropy)

    def best_split(start: int, end: int) -> tuple[float, int, int, int] | None:
        inner = np.flatnonzero(values[start : end - 1] < values[start + 1 : end]) + start + 1
        positive = sums[end] - sums[start]
        if not len(inner) or positive in (0, end - start):
            return None
        left = impurity(sums[inner] - sums[start], inner - start)
        right = impurity(sums[end] - sums[inner], end - inner)
        gains = impurity(np.array([positive]), np.array([end - start]))[0] - left - right
        best = int(np.argmax(gains))
        return -float(gains[best]), start, end, int(inner[best])

    waiting = [split for split in [best_split(0, len(values))] if split]
    cuts: list[int] = []
    while waiting and len(cuts) < LEAVES - 1:
        _, start, end, cut = heapq.heappop(waiting)
        cuts.append(cut)
        for split in (best_split(start, cut), best_split(cut, end)):
            if split:
                heapq.heappush(waiting, split)
    cuts.sort()
    edges = np.array([0, *cuts, len(values)])
    chances = np.diff(sums[edges]) / np.diff(edges)
    thresholds = np.array([(values[cut - 1] + values[cut]) / 2 for cut in cuts])
    return chances[np.searchsorted(thresholds, asked, side="left")]


def _logistic(values: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the chance of membership by logistic regression (Newton's method; penalty of half the squared slope)."""
    centre, width = values.mean(), max(float(values.std()), 1e-12)
    x = np.stack([np.ones_like(values), (values - centre) / width])
    weights, penalty = np.zeros(2), np.diag([0.0, 1.0])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-weights @ x))
        slope = x @ (chance - labels) + penalty @ weights
        step = np.linalg.solve((x * chance * (1 - chance)) @ x.T + penalty + 1e-12 * np.eye(2), slope)
        weights = weights - step
        if np.abs(step).max() < 1e-10:
            break
    return 1 / (1 + np.exp(-(weights[0] + weights[1] * (asked - centre) / width)))


# name -> chance of membership of the values asked for, from labelled ones
CLASSIFIERS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "tree": _tree,
    "logistic": _logistic,
}
