"""Do two numbers rank methods alike, and does one number on two seeds?

    python -m benchmarks.agreement runs/all runs/all-1 runs/all-2

Kendall's tau (tau-b) over the methods that keep most of the original's utility, each demo with its own golds. A method
is ranked by how far its number is from the golds' mean. Intervals are over methods, which are resampled. The second
table says how often two methods that are so far apart in E keep their order on another seed.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from benchmarks.meta import NUMBERS, read_numbers
from benchmarks.meta_models import UTILITY, demo_logs
from evaluate_metrics.columns import ABSENT, number
from evaluate_metrics.log_format import read_log
from evaluate_metrics.model_utility.compute import utility_of

FIRST = "E"  # the number that the others are held against
ONE_SIDED = ("E", "people still known", "D", "p (forget quality)", "p by person", "Wasserstein")  # the less the better
AGAINST_GOLD = (*ONE_SIDED, "E, signed")  # 0 is gold's by itself
RESAMPLES = 1000
LEAST = 5  # methods, for a tau
GAPS = (0.0, 0.05, 0.1, 0.2, 0.4)  # lower ends of differences in E


def distances(demo: Path) -> dict[str, dict[str, float]]:
    """Return, by number, how far each method that is not ruined is from the golds."""
    golds, original = demo_logs(demo)
    least = UTILITY * utility_of(read_log(original))
    methods = [
        log
        for log in sorted(original.parent.iterdir())
        if log not in golds and log != original and utility_of(read_log(log)) >= least
    ]
    found = {log.name: read_numbers(log, golds, original) for log in methods}
    golden = [read_numbers(gold, golds, original) for gold in golds]
    numbers: dict[str, dict[str, float]] = {}
    for name in NUMBERS:
        if all(name in one for one in (*found.values(), *golden)):
            usual = 0.0 if name in AGAINST_GOLD else float(np.mean([one[name] for one in golden]))
            away = {method: one[name] - usual for method, one in found.items()}
            numbers[name] = away if name in ONE_SIDED else {method: abs(value) for method, value in away.items()}
    return numbers


def tau(one: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Return Kendall's tau over the methods of both, with its 95 % interval, as text."""
    shared = [method for method in one if method in other]
    if len(shared) < LEAST:
        return ABSENT
    pairs = np.array([[one[method], other[method]] for method in shared])
    dice = np.random.default_rng(0)
    drawn = [_tau(pairs[dice.integers(0, len(pairs), len(pairs))]) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{number(_tau(pairs), 2)} ({number(float(low), 2)} to {number(float(high), 2)})"


def _tau(pairs: np.ndarray) -> float:
    return float(kendalltau(pairs[:, 0], pairs[:, 1])[0])  # type: ignore[arg-type]


def table(demos: Sequence[Path], found: Sequence[Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    """Yield the rows of the first table."""
    pairs = list(combinations(range(len(demos)), 2))
    said = [json.loads((demo / "demo.json").read_text()) for demo in demos]
    names = [f"{one['forget']} seed {one['seed']}" for one in said]
    heads = [f"with {FIRST}, {name}" for name in names] + [f"{names[a]} and {names[b]}" for a, b in pairs]
    yield f"| number | {' | '.join(heads)} |"
    yield "|---|" + "---:|" * len(heads)
    for name in found[0]:
        cells = [tau(one[FIRST], one.get(name, {})) for one in found]
        cells += [tau(found[a].get(name, {}), found[b].get(name, {})) for a, b in pairs]
        yield f"| {name} | {' | '.join(cells)} |"


def kept(found: Sequence[Mapping[str, float]], seeds: int) -> dict[float, tuple[int, int]]:
    """Return how many pairs of methods, by their gap in the mean over some seeds, keep their order on another seed.

    Args:
        found: E of each method, by seed.
        seeds: Over how many the mean is taken.

    Returns:
        By lower end of the gap: pairs that keep their order, and pairs.
    """
    counts = dict.fromkeys(GAPS, (0, 0))
    for place, other in enumerate(found):
        for chosen in combinations([*found[:place], *found[place + 1 :]], seeds):
            shared = [method for method in other if all(method in one for one in chosen)]
            mean = {method: np.mean([one[method] for one in chosen]) for method in shared}
            for a, b in combinations(shared, 2):
                end = max(end for end in GAPS if abs(mean[a] - mean[b]) >= end)
                right, pairs = counts[end]
                counts[end] = right + int((mean[a] - mean[b]) * (other[a] - other[b]) > 0), pairs + 1
    return counts


def order_table(found: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """Yield the rows of the second table."""
    tried = [kept(found, seeds) for seeds in range(1, len(found))]
    heads = [f"mean of {seeds} seed{'s' * (seeds > 1)}" for seeds in range(1, len(found))]
    yield f"| apart in {FIRST} by | {' | '.join(heads)} |"
    yield "|---|" + "---:|" * len(heads)
    for end, following in zip(GAPS, (*GAPS[1:], None), strict=True):
        cells = [
            f"{number(right / pairs, 2)} of {pairs}" if pairs else ABSENT
            for right, pairs in (one[end] for one in tried)
        ]
        yield f"| {f'{end:g} to {following:g}' if following else f'more than {end:g}'} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser("python -m benchmarks.agreement", description=main.__doc__)
    parser.add_argument("demos", nargs="+", type=Path, help="folders of `demo --methods all`, one a seed")
    demos = parser.parse_args().demos
    found = [distances(demo) for demo in demos]
    print("\n".join(table(demos, found)))
    if len(demos) > 1:
        print("\n".join(["", *order_table([one[FIRST] for one in found])]))


if __name__ == "__main__":
    main()
