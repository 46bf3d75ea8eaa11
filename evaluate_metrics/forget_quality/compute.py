"""Forget quality: does the model pass for one that never saw the forget set? (TOFU, arXiv 2401.06121, section 2.3)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp
from scipy.stats import wasserstein_distance

from evaluate_metrics.intervals import SMALLEST, log_ratios, rank_among

FEW = 100  # examples: with fewer, large shifts pass
BINS = 50  # of the two distributions in the variant "js"
SPLITS = 200  # random halves for its floor
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

    p is not calibrated: golds of other seeds are rejected too, the more often the more people there are. With gold
    models of several seeds `calibrated` ranks the model among them.

    Args:
        unlearned: Truth ratio R of each forget example, under the unlearned model.
        gold: The same, under the model fine-tuned only on the retain set.
        golds: The same under further gold models, of other seeds.
        variant: `ks`: p. `js`: 1 - Jensen-Shannon distance (base 2) of the two distributions of log R in 50 shared
            bins. It depends on the number of examples: see `js_floor`.
        paper: `clear`: what CLEAR's scripts call forget quality (arXiv 2410.18057): 1 - Jensen-Shannon distance
            (base e) of the two *lists* of truth ratios, as if they were probabilities of the examples. It depends on
            the order of the rows: a sample against itself in another order is not 1.

    Returns:
        `forget_quality` (p, or what the variant says; high is good), `log10` of it, `statistic` (D, low is good),
        `wasserstein` (distance of the log truth ratios in nats, low is good), `calibrated` (share of the model and
        the golds that are on average at least as far from the others, by D; not below 1 / (1 + golds); None with one
        gold), `js_floor` (what `js` gives on average for two samples of one law; None without that variant),
        `examples`, `gold_examples`, and `warnings`, a list of sentences.

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
        "log10": math.log10(max(quality, SMALLEST)),
        "statistic": float(test.statistic),
        "wasserstein": float(wasserstein_distance(*map(log_ratios, (one, several[0])))),
        "calibrated": rank_among(one, several, _ks) if len(several) > 1 else None,
        "js_floor": _floor(one, several[0]) if variant == "js" and paper is None else None,
        "examples": len(one),
        "gold_examples": len(several[0]),
        "warnings": _warnings(len(one), len(several[0]), len(several)),
    }


def _floor(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean of `js` over random divisions of both samples together: what equal models get."""
    dice, both = np.random.default_rng(0), np.concatenate([one, other])
    found = []
    for _ in range(SPLITS):
        mixed = dice.permutation(both)
        found.append(1 - _distance_of_distributions(mixed[: len(one)], mixed[len(one) :]))
    return float(np.mean(found))


def _sample(name: str, values: Sequence[float]) -> np.ndarray:
    sample = np.asarray(values, dtype=float).reshape(-1)
    if not len(sample) or not np.isfinite(sample).all():
        raise ValueError(f"the truth ratios of the {name} model are empty or hold a non-finite value")
    return sample


def _ks(one: np.ndarray, other: np.ndarray) -> float:
    return ks_2samp(one, other).statistic  # type: ignore[attr-defined]


def _distance_of_distributions(one: np.ndarray, other: np.ndarray) -> float:
    logs = [log_ratios(sample) for sample in (one, other)]  # R has a long tail
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
