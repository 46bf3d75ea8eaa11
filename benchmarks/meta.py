"""Which number knows? Every number of a log, held against models that are known to know, or not to know (2506.12618).

    python -m benchmarks.meta --output runs/calibrate --demos runs/all runs/all-1 runs/all-2

*Faithfulness*: how often a number is higher for a model that learnt the forget people than for one that did not (AUC).
*Robustness*: what is left of a number's verdict on unlearned models after relearning and after rounding to four bits.
Uses base and golds of `benchmarks.calibration`, and trains them if the folder lacks them. Audits are held against the
pools as well.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.calibration import as_png, calibration_steps
from benchmarks.meta_audits import audit_numbers, audit_of, audit_steps
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
    attacked_folder,
    demo_logs,
    log_of,
    pool_steps,
)
from clear_pipeline.audits import AUDITS
from clear_pipeline.audits.relearn import symmetric_r
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import write_files
from evaluate_metrics.columns import ABSENT, interval, number
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
    """Return the mean log truth ratio of the forget rows: above 0 the truth is likelier than wrong answers."""
    return float(np.log(read_log(log)[FORGET_TASK].truth_ratios()).mean())


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
        return one[RELEARNT][name] - one[BEFORE].get(name, 0.0)  # a gold itself has no ledger: it knows nobody

    claimed = [
        one for model, one in attacked.items() if not model.startswith("gold") and one[BEFORE].get(name, cut) < cut
    ]
    if not claimed:
        return None
    golden = np.mean([gain(one) for model, one in attacked.items() if model.startswith("gold")])
    r = np.mean([symmetric_r(gain(one), float(golden)) for one in claimed])
    moved = [abs(one[ROUNDED][name] - one[BEFORE][name]) / abs(whole - gold) for one in claimed]
    return len(claimed), float(r), float(np.mean([max(0.0, 1 - share) for share in moved]))


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        name: Of the number.
        faithfulness: AUC over the pools.
        ends: Its interval.
        claims: Unlearned models that pass for forgotten by it.
        robustness: Mean symmetric R and mean Q over these; None if there are none.
        means: Mean over the models of each pool.
    """

    name: str
    faithfulness: float
    ends: tuple[float, float]
    claims: int
    robustness: tuple[float, float] | None
    means: Mapping[str, float]


def attacked_numbers(output: Path, demos: Sequence[Path]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the numbers of the attacked models by model and seed, and by what was done; ruined ones are left out."""
    found = {}
    for demo in demos:
        golds, original = demo_logs(demo)
        for model in sorted(attacked_folder(output, demo).iterdir()):
            if (model / RELEARNT).exists():
                logs = {log.name: read_numbers(log, golds, original) for log in sorted(model.iterdir())}
                found[f"{model.name}, {model.parent.name}"] = logs
    return found


def lines(output: Path, demos: Sequence[Path], seeds: Sequence[int], audited: bool) -> Iterator[Line]:
    """Yield the numbers' rows of the table, those of the audits last."""
    golds = [output / "logs" / f"{FORGET}-{gold}" for gold in range(GOLDS)]
    read = partial(read_numbers, golds=golds, original=log_of(output, "full", USUAL, seeds[0]))

    def all_numbers(pool: str, rate: float, seed: int) -> dict[str, float]:
        own = read(log_of(output, pool, rate, seed))
        return {**own, **audit_numbers(audit_of(output, pool, rate, seed))} if audited else own

    found = {pool: {(rate, seed): all_numbers(pool, rate, seed) for rate in RATES for seed in seeds} for pool in POOLS}
    attacked, usual = attacked_numbers(output, demos), (USUAL, seeds[0])
    for name in found["full"][usual]:
        values = {pool: np.array([one[name] for one in models.values()]) for pool, models in found.items()}
        knows = np.concatenate([values[pool] for pool, about in POOLS.items() if about.knows])
        not_ = np.concatenate([values[pool] for pool, about in POOLS.items() if not about.knows])
        whole, gold = found["full"][usual][name], found["gold"][usual][name]
        tried = robustness(name, attacked, threshold(knows, not_), whole, gold)
        means = {pool: float(np.mean(values[pool])) for pool in POOLS}
        yield Line(name, *auc_of(knows, not_), tried[0] if tried else 0, tried and tried[1:], means)


def table(found: Sequence[Line]) -> Iterator[str]:
    """Yield the page's table: faithfulness, robustness (harmonic mean of R and Q), and the harmonic mean of both."""
    yield "| number | faithfulness | interval | claims | R | Q | robustness | both | " + " | ".join(POOLS) + " |"
    yield "|---|" + "---:|" * (7 + len(POOLS))
    for line in found:
        cells = [ABSENT] * 4
        if line.robustness:
            both = harmonic_mean(line.robustness)
            cells = [number(value) for value in (*line.robustness, both, harmonic_mean([line.faithfulness, both]))]
        cells = [number(line.faithfulness), interval(line.ends), str(line.claims), *cells]
        yield f"| {line.name} | {' | '.join([*cells, *(number(line.means[pool]) for pool in POOLS)])} |"


def picture(found: Sequence[Line]) -> bytes:
    """Draw a line a number, the most faithful one on top: faithfulness with its interval, and robustness."""
    shown = sorted(found, key=lambda line: line.faithfulness)
    figure = Figure(figsize=(7, 0.6 + 0.28 * len(shown)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, line in enumerate(shown):
        x, (low, high) = line.faithfulness, line.ends
        axes.errorbar(x, place, xerr=[[x - low], [high - x]], fmt="o", color="#3465a4", ecolor="#9db8d9")
        if line.robustness:
            axes.plot(harmonic_mean(line.robustness), place, "D", color="#ce5c00", markersize=5)
    axes.plot([], [], "o", color="#3465a4", label="faithfulness, 95 % interval")
    axes.plot([], [], "D", color="#ce5c00", markersize=5, label="robustness")
    axes.axvline(0.5, color="grey", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(shown)), [line.name for line in shown])
    axes.set_xlim(0, 1.02)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=2, frameon=False)
    return as_png(figure)


def main() -> None:
    """Train the pools, attack the unlearned models, and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.meta", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"), help="folder of the runs (%(default)s)")
    parser.add_argument("--demos", nargs="+", type=Path, required=True, help="folders of demos with all methods")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="of the pools' fine-tuning (%(default)s)")
    parser.add_argument("--audits", default=",".join(AUDITS), help="with commas; empty for none (all)")
    parser.add_argument("--picture", type=Path, help="PNG file for the picture")
    options = parser.parse_args()
    console, seeds = Console(stderr=True), SEEDS[: options.seeds]
    run_steps(calibration_steps(options.output, GOLDS, [FORGET], 0), console)
    run_steps([*pool_steps(options.output, seeds), *attack_steps(options.output, options.demos)], console)
    audits = [name for name in options.audits.split(",") if name]
    if audits:
        run_steps(audit_steps(options.output, seeds, audits), console)
    found = list(lines(options.output, options.demos, seeds, bool(audits)))
    print("\n".join(table(found)))
    if options.picture:
        write_files(options.picture.parent, {options.picture.name: picture(found)})


if __name__ == "__main__":
    main()
