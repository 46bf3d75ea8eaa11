"""U-LIRA: do shadow models tell forgotten examples from unseen ones? (arXiv 2403.01218, 2410.18057)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluate_metrics.attack_rates import attack_rates
from evaluate_metrics.attack_rates import checked_models

SMALLEST_SIGMA = 1e-3  # logits: shadow models that all agree say nothing of their spread
SIGMAS = ("example", "shared")


def u_lira(
    targets: Any,
    target_members: Any,
    shadows: Any,
    shadow_members: Any,
    people: Sequence[str] | None = None,
    sigma: str = "example",
) -> dict[str, Any]:
    """Return how well membership before unlearning is seen from what is left.

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
    targets, target_members, shadows, shadow_members = checked_models(targets, target_members, shadows, shadow_members)
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
    return attack_rates("u_lira", odds, odds > 0, target_members, people)


def _log_density(targets: np.ndarray, shadows: np.ndarray, which: np.ndarray, sigma: str) -> np.ndarray:
    """Return the log density of the targets under the Gaussian of each example's shadow models, less a constant."""
    chosen = np.where(which, shadows, np.nan)
    centre = np.nanmedian(chosen, axis=0)
    deviations = np.abs(chosen - centre)
    # Within few models the median deviation is far from the true one; over all examples it is not.
    spread = np.nanmedian(deviations, axis=0) if sigma == "example" else np.nanmedian(deviations)
    width = np.maximum(spread / 0.6745, SMALLEST_SIGMA)
    return -0.5 * ((targets - centre) / width) ** 2 - np.log(width)
