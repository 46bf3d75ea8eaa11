"""Simulate how often intervals hold the truth, and how often tests reject a model that is a gold model.

    python -m benchmarks.coverage

Rows belong to people; a model adds noise by row, by person, and (with a seed shift) one for all rows. The sizes are
about those of gold models of the mini benchmark. Four minutes on one core.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.gold_distance.compute import gold_distance, gold_rank
from evaluate_metrics.intervals import LEVEL, percentiles, permutation_p, resampled_weights, weighted_means

ROWS = 8  # of each person
BY_ROW, BY_PERSON, BY_SEED = 0.25, 0.1, 0.1  # deviations of log R between golds
KNOWN = 2.0  # what the original adds to log R


@dataclass(frozen=True)
class Rates:
    """What was counted for a number of people.

    Attributes:
        people: Number of people.
        plain: Share of percentile intervals of a mean that hold the truth.
        expanded: Share of those of the expanded level.
        share: Share of intervals of E's share that hold the share of people who are still known.
        ks, permutation: Share of golds with p < .05, of models without a seed shift, against one gold.
        ks_seeds, permutation_seeds: The same with a seed shift.
        rank: Share of golds that rank last of 20, with a seed shift.
    """

    people: int
    plain: float
    expanded: float
    share: float
    ks: float
    permutation: float
    ks_seeds: float
    permutation_seeds: float
    rank: float


def simulate(people: int, draws: int, seed: int = 0) -> Rates:
    """Count over `draws` simulated benchmarks."""
    dice = np.random.default_rng([seed, people])
    names = [f"{i // ROWS}" for i in range(people * ROWS)]
    weights = resampled_weights(names)
    held = np.zeros(8)
    for draw in range(draws):
        values = np.repeat(dice.normal(0, 1, people), ROWS) + dice.normal(0, 0.5, people * ROWS)
        means = weighted_means(values, weights)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        wide = percentiles(means, people)
        held[0] += low <= 0 <= high
        held[1] += wide[0] <= 0 <= wide[1]

        level = np.repeat(dice.normal(0, 0.5, people), ROWS) + dice.normal(0, 0.3, people * ROWS)
        golds = [model(dice, level, people, BY_SEED) for _ in range(5)]
        knows = np.repeat(dice.random(people) < 0.5, ROWS)
        part, whole = (
            np.exp(model(dice, level, people, 0.0) + KNOWN * known) for known in (knows, np.ones(people * ROWS))
        )
        found = gold_distance(part.tolist(), np.exp(golds).tolist(), whole.tolist(), names)
        ends = found["intervals"]["share"]
        held[2] += ends[0] <= 0.5 <= ends[1]

        for place, shift in ((3, 0.0), (5, BY_SEED)):
            one, other = (model(dice, level, people, shift) for _ in range(2))
            held[place] += ks_2samp(one, other).pvalue < 0.05  # type: ignore[attr-defined]
            held[place + 1] += permutation_p(np.exp(one), np.exp(other), names, 400, draw) < 0.05
        several = np.stack([model(dice, level, people, BY_SEED) for _ in range(20)])
        held[7] += gold_rank(several[0], several[1:]) <= 1 / 20
    return Rates(people, *(held / draws).tolist())


def model(dice: np.random.Generator, level: np.ndarray, people: int, shift: float) -> np.ndarray:
    """Draw log R of a model that has not seen the people [rows]."""
    person = np.repeat(dice.normal(0, BY_PERSON, people), ROWS)
    return level + dice.normal(0, BY_ROW, len(level)) + person + dice.normal(0, shift)


def js_floors(draws: int, seed: int = 0) -> Iterator[tuple[int, float, float]]:
    """Yield for numbers of rows what `js` gives two samples of one law, and what its `js_floor` says."""
    dice = np.random.default_rng(seed)
    for rows in (64, 380, 2000):
        found = [
            forget_quality(*np.exp(dice.normal(0, 1, (2, rows))).tolist(), variant="js")
            for _ in range(max(3, draws // 50))
        ]
        yield (
            rows,
            float(np.mean([one["forget_quality"] for one in found])),
            float(np.mean([one["js_floor"] for one in found])),
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000, help="simulated benchmarks for each row (%(default)s)")
    options = parser.parse_args()
    print(
        "| people | percentile | expanded | share of E | KS | by person | KS, seeds | by person, seeds | last of 20 |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for people in (8, 20, 40):
        rates = simulate(people, options.draws)
        print(
            f"| {people} | " + " | ".join(f"{value:.3f}" for value in list(vars(rates).values())[1:]) + " |",
            flush=True,
        )
    for rows, seen, floor in js_floors(options.draws):
        print(f"js of two samples of one law, {rows} rows: {seen:.2f}, js_floor {floor:.2f}", flush=True)


if __name__ == "__main__":
    main()
