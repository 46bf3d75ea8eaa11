"""Error bars by resampling people: the rows of one person are not independent, so people are drawn, not rows.

Percentile bootstrap (Efron and Tibshirani, 1993, chapter 13) with clusters (Field and Welsh, 2007), its level expanded
for few people (Hesterberg, 2015, arXiv 1411.5279). Everything is computed from weights of the rows,
[resamples, rows]: a person drawn twice counts twice.
"""

import zlib
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from scipy.stats import norm, t

RESAMPLES = 2000
FEWEST_PEOPLE = 6  # with fewer, resamples say nothing, and no permutation gives p < .05
ENUMERATED = 12  # people up to which all permutations are counted: 4096
LEVEL = 0.95
SMALLEST = 5e-324
Interval = tuple[float, float]


def resampled_weights(people: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Draw people with replacement.

    Two tasks about the same people get the same draws, so that what depends on both is resampled as one.

    Args:
        people: The person of each row.
        resamples: Number of draws.
        seed: Of the draws.

    Returns:
        How often each row counts in each resample [resamples, rows].

    Raises:
        ValueError: If there are fewer than FEWEST_PEOPLE people.
    """
    names, person = np.unique(np.asarray(people, dtype=str), return_inverse=True)
    if len(names) < FEWEST_PEOPLE:
        raise ValueError(f"an interval needs at least {FEWEST_PEOPLE} people, and there are {len(names)}")
    dice = np.random.default_rng([seed, zlib.crc32("\n".join(names).encode())])
    return dice.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)[:, person]


def weighted_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of `values` [rows] under each of the weights [resamples, rows]."""
    return weights @ values / weights.sum(1)


def weighted_aucs(
    one: np.ndarray, other: np.ndarray, one_weights: np.ndarray, other_weights: np.ndarray
) -> np.ndarray:
    """Return how often a value of one sample is above one of the other, ties counting half, under weights.

    Args:
        one: First sample [rows].
        other: Second sample [other rows].
        one_weights: [resamples, rows].
        other_weights: [resamples, other rows].

    Returns:
        The area under the ROC curve of each resample.
    """
    above = (one[:, None] > other) + (one[:, None] == other) / 2
    return ((one_weights @ above) * other_weights).sum(1) / one_weights.sum(1) / other_weights.sum(1)


def percentiles(resampled: np.ndarray, people: int) -> Interval:
    """Return the 95 % interval of resampled values.

    A percentile interval of few people is too short: it lacks the factor sqrt(P / (P - 1)) and the tails of Student's
    t. Its level is expanded to `Phi(-sqrt(P / (P - 1)) t_{.025, P - 1})` on each side (Hesterberg, 2015, section 4.4).

    Args:
        resampled: Values [resamples]; NaN is left out.
        people: Number of people that were drawn.
    """
    tail = norm.cdf(-np.sqrt(people / (people - 1)) * t.ppf((1 + LEVEL) / 2, people - 1))
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def weighted_distances(
    one: np.ndarray, other: np.ndarray, one_weights: np.ndarray, other_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return Kolmogorov-Smirnov distance D and Wasserstein-1 distance of two samples under weights.

    Args:
        one: First sample [rows].
        other: Second sample [other rows].
        one_weights: [resamples, rows].
        other_weights: [resamples, other rows].

    Returns:
        D, and the area between the two distribution functions, of each resample.
    """
    values = np.concatenate([one, other])
    order = np.argsort(values, kind="stable")
    steps = np.concatenate(
        [one_weights / one_weights.sum(1, keepdims=True), -other_weights / other_weights.sum(1, keepdims=True)], axis=1
    )[:, order]
    gaps = np.abs(np.cumsum(steps, axis=1))
    widths = np.diff(values[order])
    # Within a run of equal values the distribution functions have no value of their own: only its end counts.
    ends = np.append(widths > 0, True)
    return gaps[:, ends].max(1), gaps[:, :-1] @ widths


def permutation_p(
    one: np.ndarray, other: np.ndarray, people: Sequence[str], permutations: int = RESAMPLES, seed: int = 0
) -> float:
    """Return how often two models are as far apart when it is drawn, person by person, which of the two said what.

    Unlike the p-value of the Kolmogorov-Smirnov test it counts neither the rows of a person nor the two answers to one
    question as independent.

    Args:
        one: Truth ratios of one model [rows].
        other: Those of the other model on the same rows [rows].
        people: The person of each row.
        permutations: Number of draws, where there are more than 12 people; with fewer all permutations are counted.
        seed: Of the draws.

    Returns:
        The share of permutations, the models as they are among them, with a D at least as large.

    Raises:
        ValueError: If there are fewer than FEWEST_PEOPLE people, or the samples differ in size.
    """
    if not len(one) == len(other) == len(people):
        raise ValueError(f"the models answer {len(one)} and {len(other)} rows of {len(people)}: not the same rows")
    names, person = np.unique(np.asarray(people, dtype=str), return_inverse=True)
    if len(names) < FEWEST_PEOPLE:
        raise ValueError(f"a permutation test needs at least {FEWEST_PEOPLE} people, and there are {len(names)}")
    if len(names) <= ENUMERATED:  # all, the first one as it was
        drawn = (np.arange(2 ** len(names))[:, None] >> np.arange(len(names)) & 1).astype(np.int8)
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (permutations, len(names)), dtype=np.int8)
        drawn = np.concatenate([np.zeros((1, len(names)), np.int8), drawn])
    swapped = drawn[:, person]
    both = np.concatenate([one, other])
    stays = np.concatenate([1 - swapped, swapped], axis=1).astype(float)
    distances, _ = weighted_distances(both, both, stays, 1 - stays)
    seen = distances[0] - 1e-12
    return float((distances >= seen).mean())


def rank_among(model: np.ndarray, golds: Sequence[np.ndarray], distance: Callable[..., float]) -> float:
    """Rank a model among K golds by its mean distance to the others.

    Args:
        model: The model's sample.
        golds: Those of the golds.
        distance: Of two samples; symmetric.

    Returns:
        The share of the K + 1 models that are on average at least as far from the others; at least 1 / (K + 1).
    """
    every = [model, *golds]
    away = np.zeros(len(every))
    for one, other in combinations(range(len(every)), 2):
        away[[one, other]] += distance(every[one], every[other])
    return float((away >= away[0] * (1 - 1e-9)).mean())


def log_ratios(ratios: np.ndarray) -> np.ndarray:
    """Return the logarithm of truth ratios; those that were rounded to 0 get that of the smallest float."""
    return np.log(np.maximum(ratios, SMALLEST))
