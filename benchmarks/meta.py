"""Which number knows? Every number of a log, held against models that are known to know, or not to know (2506.12618).

    python -m benchmarks.meta --output runs/calibrate --demo runs/demo

*Faithfulness*: how often a number is higher for a model that learnt the forget people than for one that did not (AUC).
*Robustness*: what is left of a number's verdict on unlearned models after relearning and after rounding to four bits.
Uses base and golds of `benchmarks.calibration`, and trains them if the folder lacks them.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.calibration import calibration_steps
from benchmarks.meta_models import (
    BEFORE,
    FORGET,
    GOLDS,
    POOLS,
    RATES,
    RELEARNT,
    ROUNDED,
    SEEDS,
    USUAL,
    attack_steps,
    log_of,
    pool_steps,
)
from clear_pipeline.audits.relearn import symmetric_r
from clear_pipeline.runs.executor import run_steps
from evaluate_metrics.columns import interval, number
from evaluate_metrics.intervals import weighted_aucs
from evaluate_metrics.log_format import read_log
from evaluate_metrics.scores import score_log
from evaluate_metrics.tasks import FORGET_NAMES, FORGET_TASK

RESAMPLES = 2000

Reader = Callable[[Mapping[str, Any], Path], float | None]


def key(name: str, sign: float = 1.0) -> Reader:
    """Return what reads a number out of `score_log`, turned so that more is more knowledge."""
    return lambda scores, log: None if scores[name] is None else sign * scores[name]


def mean(task: str, name: str) -> Reader:
    """Return what reads the mean of a task."""
    return lambda scores, log: scores["tasks"].get(task, {}).get(name)


def membership(name: str) -> Reader:
    """Return what reads the AUC of a membership attack."""
    return lambda scores, log: (scores["membership"] or {}).get(name)


def truth(scores: Mapping[str, Any], log: Path) -> float:
    """Return minus the mean log truth ratio of the forget rows."""
    return -float(np.log(read_log(log)[FORGET_TASK].truth_ratios()).mean())


NUMBERS: Mapping[str, Reader] = {
    "E": key("gold_share"),
    "E, signed": key("gold_signed_share"),
    "people still known": key("still_known"),
    "D": key("forget_quality_statistic"),
    "p (forget quality)": key("forget_quality_log10", -1),
    "p by person": key("forget_quality_permutation", -1),
    "Wasserstein": key("wasserstein"),
    "truth ratio": truth,
    "probability": mean(FORGET_TASK, "probability"),
    "ROUGE": mean(FORGET_TASK, "rouge"),
    "names": mean(FORGET_NAMES, "rouge"),
    "forget score": key("forget"),
    "extraction strength": key("extraction_strength"),
    "exact memorization": key("exact_memorization"),
    "membership: loss": membership("auc_loss"),
    "membership: min-k": membership("auc_min_k"),
    "membership: min-k++": membership("auc_min_k_plus_plus"),
}


def read_numbers(log: Path, golds: Sequence[Path], original: Path) -> dict[str, float]:
    """Return the numbers of a log, those that there are, each turned so that more is more knowledge."""
    scores = score_log(log, golds[0], golds[1:], original=original)
    found = {name: read(scores, log) for name, read in NUMBERS.items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def auc_of(knows: np.ndarray, not_: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return the AUC of models that know against those that do not, and its 95 % interval over models."""
    dice = np.random.default_rng(0)
    draws = [dice.multinomial(len(side), np.full(len(side), 1 / len(side)), RESAMPLES) for side in (knows, not_)]
    whole = weighted_aucs(knows, not_, np.ones((1, len(knows))), np.ones((1, len(not_))))
    low, high = np.quantile(weighted_aucs(knows, not_, *draws), [0.025, 0.975])
    return float(whole[0]), (float(low), float(high))


def threshold(knows: np.ndarray, not_: np.ndarray) -> float:
    """Return the value that tells the pools apart best: above it a model counts as one that knows."""
    seen = np.unique(np.concatenate([knows, not_]))
    cuts = (seen[1:] + seen[:-1]) / 2
    right = [(knows > cut).sum() + (not_ < cut).sum() for cut in cuts]
    return float(cuts[int(np.argmax(right))])


def robustness(name: str, attacked: Mapping[str, Mapping[str, Mapping[str, float]]], cut: float, whole: float,
               gold: float) -> tuple[int, float, float] | None:  # fmt: skip
    """Return on how many models a number's verdict "forgotten" was tried, mean symmetric R and mean Q.

    Q is 1 minus what rounding changes, as a share of the way from gold to the original, at least 0.
    """

    def gain(one: Mapping[str, Mapping[str, float]]) -> float:
        return one[RELEARNT][name] - one[BEFORE][name]

    golden = np.mean([gain(one) for model, one in attacked.items() if model.startswith("gold")])
    claimed = [
        one for model, one in attacked.items() if not model.startswith("gold") and one[BEFORE].get(name, cut) < cut
    ]
    if not claimed:
        return None
    r = np.mean([symmetric_r(gain(one), float(golden)) for one in claimed])
    moved = [abs(one[ROUNDED][name] - one[BEFORE][name]) / abs(whole - gold) for one in claimed]
    return len(claimed), float(r), float(np.mean([max(0.0, 1 - share) for share in moved]))


def table(output: Path, seeds: Sequence[int]) -> Iterator[str]:
    """Yield the rows of the page's table."""
    golds = [output / "logs" / f"{FORGET}-{gold}" for gold in range(GOLDS)]
    read = partial(read_numbers, golds=golds, original=log_of(output, "full", USUAL, seeds[0]))
    found = {
        pool: {(rate, seed): read(log_of(output, pool, rate, seed)) for rate in RATES for seed in seeds}
        for pool in POOLS
    }
    attacked = {
        folder.name: {each.name: read(each) for each in sorted(folder.iterdir())}
        for folder in sorted((output / "attacked").iterdir())
    }
    attacked = {name: one for name, one in attacked.items() if RELEARNT in one}
    pools = " | ".join(POOLS)
    yield f"| number | faithfulness | interval | claims | R | Q | robustness | both | {pools} |"
    yield "|---|" + "---:|" * (7 + len(POOLS))
    for name in NUMBERS:
        values = {pool: np.array([one[name] for one in models.values()]) for pool, models in found.items()}
        knows = np.concatenate([values[pool] for pool, about in POOLS.items() if about.knows])
        not_ = np.concatenate([values[pool] for pool, about in POOLS.items() if not about.knows])
        f, ends = auc_of(knows, not_)
        usual = (USUAL, seeds[0])
        whole, gold = found["full"][usual][name], found["gold"][usual][name]
        rob = robustness(name, attacked, threshold(knows, not_), whole, gold)
        cells = [number(f), interval(ends)]
        if rob is None:
            cells += ["0", *["–"] * 4]
        else:
            claims, r, q = rob
            both = harmonic_mean([r, q])
            cells += [str(claims), number(r), number(q), number(both), number(harmonic_mean([f, both]))]
        cells += [number(float(np.mean(values[pool]))) for pool in POOLS]
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Train the pools, attack the unlearned models, and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.meta", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"), help="folder of the runs (%(default)s)")
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"), help="of `demo --methods all` (%(default)s)")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="of the pools' fine-tuning (%(default)s)")
    options = parser.parse_args()
    console, seeds = Console(stderr=True), SEEDS[: options.seeds]
    run_steps(calibration_steps(options.output, GOLDS, [FORGET], 0), console)
    run_steps([*pool_steps(options.output, seeds), *attack_steps(options.output, options.demo)], console)
    print("\n".join(table(options.output, seeds)))


if __name__ == "__main__":
    main()
