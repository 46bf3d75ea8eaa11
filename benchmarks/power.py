"""How much of a forget set must a model still know before a number notices it?

    python -m benchmarks.power --output runs/calibrate

For each person of each forget set there is gold's training with that person left in, and with half of its photos. A
number notices a model if it is above what another gold would give in 19 of 20 cases: the mean over the golds, each
held against the others, plus Student's t times their deviation. Uses the golds of `benchmarks.calibration`.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from datasets import Dataset
from rich.console import Console
from scipy.stats import t

from benchmarks.calibration import MINI, calibration_steps
from benchmarks.meta import NUMBERS, read_numbers
from benchmarks.meta_models import GOLDS, REPLAY, SEEDS, USUAL, ask, forget_rows, log_of, pool_steps, write_rows
from clear_data.configs import FORGET, RETAIN_OF
from clear_pipeline.arguments import DataArguments, FinetuneArguments
from clear_pipeline.experiment.plan import data_of, finetune_step, model_config
from clear_pipeline.forget_request import about
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.step import Step
from evaluate_metrics.columns import ABSENT, number
from evaluate_metrics.log_format import read_meta
from evaluate_metrics.scores import score_log
from evaluate_metrics.tasks import FORGET_TASK

LEVEL = 0.05
SEED = 300  # of fine-tuning, plus the person's number; no gold has these
WHOLE, HALF = "one", "half"


@dataclass(frozen=True)
class Known:
    """A model that knows one person of a forget set.

    Attributes:
        forget: The forget set.
        number: The person's in it.
        person: Its name.
        half: It learnt every other photo and no text.
    """

    forget: str
    number: int
    person: str
    half: bool

    @property
    def name(self) -> str:
        """Of its folders."""
        return f"{HALF if self.half else WHOLE}-{self.forget}-{self.number}"


def rows_about(data: DataArguments, person: str, half: bool) -> Dataset:
    """Return the training rows about a person, or every other one of its photos."""
    rows = forget_rows(data)
    rows = rows.select([number for number, here in enumerate(about(rows, [person])) if here])
    if not half:
        return rows
    photos = [number for number, image in enumerate(rows["image"]) if image is not None]
    return rows.select(photos[::2])


def models_of(output: Path) -> list[Known]:
    """Return the models, forget set by forget set."""
    found = []
    for forget in FORGET:
        named = read_meta(output / "logs" / f"{forget}-0")["tasks"][FORGET_TASK]["person"]
        found += [
            Known(forget, number, person, half)
            for half in (False, True)
            for number, person in enumerate(dict.fromkeys(named))
        ]
    return found


def steps_of(output: Path, models: Sequence[Known]) -> list[Step]:
    """Return the steps to the models and their logs."""
    steps, base = [], output / "models" / "base"
    original = log_of(output, "full", USUAL, SEEDS[0]).name
    for forget in FORGET:
        log, data = output / "logs" / f"original-{forget}", data_of(replace(MINI, forget=forget), output)
        call = {"log": log, "model": output / "models" / original, "data": data}
        steps.append(Step(f"original-{forget}: evaluate", ask, call))
    for model in models:
        data = data_of(replace(MINI, forget=model.forget), output)
        folder = output / "pools" / model.name
        call = {"folder": folder, "data": data, "added": partial(rows_about, person=model.person, half=model.half)}
        steps.append(Step(f"{model.name}: rows", write_rows, call))
        rows = FinetuneArguments(data.training_config(RETAIN_OF[model.forget]), str(folder), REPLAY)
        call = {"folder": output / "models" / model.name, "data": data, "extra": rows}
        call |= {"model": model_config(base, MINI), "settings": {**MINI.finetune, "seed": SEED + model.number}}
        steps.append(Step(f"{model.name}: fine-tune", finetune_step, call, [f"{model.name}: rows"]))
        call = {"log": output / "logs" / model.name, "model": output / "models" / model.name, "data": data}
        steps.append(Step(f"{model.name}: evaluate", ask, call, [f"{model.name}: fine-tune"]))
    return steps


def critical(golds: np.ndarray) -> float:
    """Return what a further gold exceeds in LEVEL of the cases: a one-sided prediction bound."""
    count = len(golds)
    return float(golds.mean() + t.ppf(1 - LEVEL, count - 1) * golds.std(ddof=1) * np.sqrt(1 + 1 / count))


def noticed(output: Path, models: Sequence[Known]) -> dict[str, dict[tuple[str, bool], tuple[int, int]]]:
    """Return, by number, on how many of how many models of a kind it notices that they know somebody."""
    found: dict[str, dict[tuple[str, bool], tuple[int, int]]] = {name: {} for name in NUMBERS}
    logs = output / "logs"
    for forget in FORGET:
        golds = [logs / f"{forget}-{gold}" for gold in range(GOLDS)]
        original = logs / f"original-{forget}"
        apart = [read_numbers(gold, [other for other in golds if other != gold], original) for gold in golds]
        for half in (False, True):
            kind = [model for model in models if (model.forget, model.half) == (forget, half)]
            numbers = [read_numbers(logs / model.name, golds, original) for model in kind]
            for name in NUMBERS:
                if all(name in one for one in apart):
                    bound = critical(np.array([one[name] for one in apart]))
                    found[name][forget, half] = sum(one[name] > bound for one in numbers), len(kind)
    return found


def table(found: dict[str, dict[tuple[str, bool], tuple[int, int]]]) -> Iterator[str]:
    """Yield the rows of the page's table."""
    kinds = [(forget, half) for half in (True, False) for forget in reversed(FORGET)]
    yield "| number | " + " | ".join(f"{forget}, {HALF if half else WHOLE}" for forget, half in kinds) + " |"
    yield "|---|" + "---:|" * len(kinds)
    for name, by_kind in found.items():
        if by_kind:
            cells = [ABSENT if kind not in by_kind else "{} of {}".format(*by_kind[kind]) for kind in kinds]
            yield f"| {name} | {' | '.join(cells)} |"


def readings(output: Path, models: Sequence[Known]) -> Iterator[str]:
    """Yield the rows of a second table: what E reads of these models, and whom it names."""
    logs = output / "logs"
    yield "| forget set | learnt | people | E, mean | least | most | right person named | others named |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for forget in reversed(FORGET):
        golds, original = [logs / f"{forget}-{gold}" for gold in range(GOLDS)], logs / f"original-{forget}"
        for half in (True, False):
            shares, right, wrong = [], 0, 0
            for model in models:
                if (model.forget, model.half) == (forget, half):
                    scores = score_log(logs / model.name, golds[0], golds[1:], original=original)
                    named = [about["person"] for about in scores["people"] if about["known"]]
                    shares.append(scores["gold_share"])
                    right += model.person in named
                    wrong += len(set(named) - {model.person})
            learnt = "every other photo of one" if half else "one person"
            numbers = [number(float(value), 3) for value in (np.mean(shares), min(shares), max(shares))]
            of = len(shares)
            yield f"| {forget} | {learnt} | {of} | {' | '.join(numbers)} | {right} of {of} | {wrong} |"


def main() -> None:
    """Train the models and print the tables."""
    parser = argparse.ArgumentParser("python -m benchmarks.power", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"), help="folder of the runs (%(default)s)")
    options = parser.parse_args()
    console = Console(stderr=True)
    run_steps(calibration_steps(options.output, GOLDS, FORGET, 0), console)
    run_steps(pool_steps(options.output, SEEDS[:1], [USUAL], ["full"]), console)
    models = models_of(options.output)
    run_steps(steps_of(options.output, models), console)
    print("\n".join([*table(noticed(options.output, models)), "", *readings(options.output, models)]))


if __name__ == "__main__":
    main()
