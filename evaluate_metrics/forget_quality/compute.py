"""Forget quality: does the model pass for one that never saw the forget set? (TOFU, arXiv 2401.06121, section 2.3)."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp
from scipy.stats import wasserstein_distance

FEW = 100  # examples: with fewer, large shifts pass
BINS = 50  # of the two distributions in the variant "js"
VARIANTS = ("ks", "js")
PAPERS = (None, "clear")


def forget_quality(
    unlearned: Sequence[float],
    gold: Sequence[float],
    golds: Sequence[Sequence[float]] = (),
    variant: str = "ks",
    paper: str | None = None,
) -> dict[str, Any]:
    """Return how well the unlearned model passes for one that never saw the forget set.

    The two-sided two-sample Kolmogorov-Smirnov test between the two models' truth ratios, exact where scipy's default
    is. The p-value shrinks with the number of examples; the statistic D is the effect size.

    Two models that answer the same questions are nearer to one another than the test expects, so p is not calibrated:
    with gold models of several seeds `calibrated` says how often two of them are as far apart.

    Args:
        unlearned: Truth ratio R of each forget example, under the unlearned model.
        gold: The same, under the model fine-tuned only on the retain set.
        golds: The same under further gold models, of other seeds.
        variant: `ks`: p. `js`: 1 - Jensen-Shannon distance (base 2) of the two distributions of log R in 50 shared
            bins.
        paper: `clear`: what CLEAR's scripts call forget quality (arXiv 2410.18057): 1 - Jensen-Shannon distance
            (base e) of the two *lists* of truth ratios, as if they were probabilities of the examples. It depends on
            the order of the rows: a sample against itself in another order is not 1.

    Returns:
        `forget_quality` (p, or what the variant says; high is good), `log10` of it, `statistic` (D, low is good),
        `wasserstein` (distance of the truth ratios, low is good), `calibrated` (share of pairs of golds with a D at
        least as large, plus-one corrected; high is good; None without golds), `examples`, `gold_examples`, and
        `warnings`, a list of sentences.

    Raises:
        ValueError: If a sample is empty or holds a non-finite value, a variant is unknown, a truth ratio is below 0,
            or the paper's form gets samples that differ in size.
    """
    if variant not in VARIANTS or paper not in PAPERS:
        raise ValueError(f"variant {variant!r} must be ks or js, and paper {paper!r} None or 'clear'")
    one = _sample("unlearned", unlearned)
    several = [_sample("gold", gold), *(_sample(f"gold ({i})", sample) for i, sample in enumerate(golds, start=2))]
    test: Any = ks_2samp(one, several[0])
    if (paper or variant == "js") and min(one.min(), several[0].min()) < 0:
        raise ValueError(f"a truth ratio is {min(one.min(), several[0].min())}, and they are exp of something")
    if paper == "clear":
        quality = _paper_quality(one, several[0])
    else:
        quality = float(test.pvalue) if variant == "ks" else 1 - _distance_of_distributions(one, several[0])
    return {
        "forget_quality": quality,
        "log10": math.log10(max(quality, 5e-324)),
        "statistic": float(test.statistic),
        "wasserstein": float(wasserstein_distance(one, several[0])),
        "calibrated": calibrated(float(test.statistic), several) if len(several) > 1 else None,
        "examples": len(one),
        "gold_examples": len(several[0]),
        "warnings": _warnings(len(one), len(several[0]), len(several)),
    }


def calibrated(statistic: float, golds: Sequence[np.ndarray]) -> float:
    """Return the share of pairs of gold models that are at least D apart, plus-one corrected."""
    between = [float(ks_2samp(a, b).statistic) for a, b in combinations(golds, 2)]  # type: ignore[attr-defined]
    return (1 + sum(d >= statistic - 1e-12 for d in between)) / (1 + len(between))


def _sample(name: str, values: Sequence[float]) -> np.ndarray:
    sample = np.asarray(values, dtype=float).reshape(-1)
    if not len(sample) or not np.isfinite(sample).all():
        raise ValueError(f"the truth ratios of the {name} model are empty or hold a non-finite value")
    return sample


def _distance_of_distributions(one: np.ndarray, other: np.ndarray) -> float:
    logs = [np.log(np.maximum(sample, 5e-324)) for sample in (one, other)]  # R has a long tail
    edges = np.histogram_bin_edges(np.concatenate(logs), BINS)
    distance = jensenshannon(*(np.histogram(values, edges)[0] for values in logs), base=2)
    return min(1.0, float(distance))  # rounding may pass 1


def _paper_quality(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) != len(other):
        raise ValueError(f"the paper's form pairs the rows, and there are {len(one)} and {len(other)}")
    return float(1 - jensenshannon(one, other))


def _warnings(examples: int, gold_examples: int, golds: int) -> list[str]:
    found = []
    if min(examples, gold_examples) < FEW:
        found.append(
            f"few examples ({examples} and {gold_examples}): p is high even for models that differ; look at D"
        )
    if golds == 1:
        found.append("p is not calibrated: that needs gold models of several seeds")
    return found
