"""How far apart gold models of different seeds are: what forget quality is to be measured against.

Two gold models never saw the forget set, and answer the same questions: their answers are no independent samples, as
the Kolmogorov-Smirnov test takes them to be. The distances D that they show are the scale on which the D of an
unlearned model can be read (`calibrated` in `evaluate_metrics/forget_quality`).
"""

import argparse
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from scipy.stats import t

from clear_data.configs import RETAIN_OF
from clear_pipeline.arguments import DataArguments, FinetuneArguments
from clear_pipeline.experiment.plan import (
    BASES,
    base_of,
    corpus_step,
    data_of,
    evaluate_step,
    finetune_step,
    model_config,
)
from clear_pipeline.experiment.recipe import demo_recipe
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import write_files
from clear_pipeline.runs.step import Step
from evaluate_metrics.columns import number
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.log_format import TaskLog, read_log, read_meta
from evaluate_metrics.tasks import FORGET_TASK

PAGE, PICTURE = "calibration.md", "calibration.png"
LEAST = 0.05  # the level at which p is held against

MINI = demo_recipe("mini")


@dataclass(frozen=True)
class Distances:
    """All pairs of gold models of one forget set.

    Attributes:
        people: Number of people in the forget set.
        rows: Number of forget examples.
        p: p-value of each pair.
        distance: D of each pair.
        noise: What two golds differ by at most in 95 of 100 pairs: mean loss per token of the forget captions in
            nats, and mean log truth ratio.
    """

    people: int
    rows: int
    p: np.ndarray
    distance: np.ndarray
    noise: tuple[float, float]


def forget_means(task: TaskLog) -> tuple[float, float]:
    """Mean loss per token of the forget captions in nats, and their mean log truth ratio."""
    return float(task.loss.mean()), float(np.log(task.truth_ratios()).mean())


def training_rows(data: DataArguments, split: str) -> FinetuneArguments:
    """Return the rows of a fine-tuning on a split of the mini corpus, with what is replayed."""
    beside = f"{data.dataset}{MINI.extra_suffix}"
    return FinetuneArguments(data.training_config(split), extra_dataset=beside, extra_config=MINI.extra_config)


def calibration_steps(output: Path, golds: int, forget_sets: Sequence[str], seed: int) -> list[Step]:
    """Fine-tune gold models of the mini corpus from one base by seeds 0 to golds - 1, and score them.

    Raises:
        ValueError: If there are fewer than two golds, or a forget set is unknown.
    """
    if golds < 2:
        raise ValueError(f"gold models are compared in pairs: --golds must be at least 2, not {golds}")
    steps = [Step("corpus", corpus_step, {"folder": output / "data", "recipe": MINI, "seed": seed})]
    base = output / "models" / "base"
    for gold in range(golds):
        for forget in forget_sets:
            data = data_of(replace(MINI, forget=forget), output)
            rows = training_rows(data, RETAIN_OF[forget])
            if gold == 0 and forget == forget_sets[0]:
                steps.append(base_of(MINI, base, data, rows, seed, output.parent / BASES))
            name, model = f"{forget}-{gold}", output / "models" / f"{forget}-{gold}"
            call = {"folder": model, "model": model_config(base, MINI), "data": data, "extra": rows}
            call["settings"] = {**MINI.finetune, "seed": gold}
            steps.append(Step(f"{name}: fine-tune", finetune_step, call, ["base"]))
            call = {"folder": output / "logs" / name, "model": model_config(model, MINI, trained=False)}
            call |= {"data": data, "method": "gold", "settings": MINI.evaluate}
            steps.append(Step(f"{name}: evaluate", evaluate_step, call, [f"{name}: fine-tune"]))
    return steps


def distances(logs: Sequence[Path]) -> Distances:
    """Compare all pairs of gold logs of one forget set."""
    tasks = [read_log(log)[FORGET_TASK] for log in logs]
    ratios = [task.truth_ratios().tolist() for task in tasks]
    found = [forget_quality(one, other) for one, other in combinations(ratios, 2)]
    means = np.array([forget_means(task) for task in tasks])
    # By Student's t, since there are few golds.
    noise = t.ppf(0.975, len(logs) - 1) * np.sqrt(2) * means.std(0, ddof=1)
    people = set(read_meta(logs[0])["tasks"][FORGET_TASK]["person"])
    return Distances(
        people=len(people),
        rows=len(ratios[0]),
        p=np.array([pair["forget_quality"] for pair in found]),
        distance=np.array([pair["statistic"] for pair in found]),
        noise=(float(noise[0]), float(noise[1])),
    )


def calibrate(
    output: Path, golds: int, forget_sets: Sequence[str], seed: int, docs: Path | None, console: Console
) -> Path:
    """Train and compare gold models and write the page and its picture.

    Args:
        output: Folder of the runs; what is finished there is kept.
        golds: Models of each forget set.
        forget_sets: Such as `forget05`.
        seed: Draws the people.
        docs: Where the page goes; by default into the output folder.
        console: Shows progress.

    Returns:
        The page.
    """
    run_steps(calibration_steps(output, golds, forget_sets, seed), console)
    found = {
        forget: distances([output / "logs" / f"{forget}-{gold}" for gold in range(golds)]) for forget in forget_sets
    }
    command = f"python -m benchmarks.calibration --golds {golds} --forget {','.join(forget_sets)} --seed {seed}"
    place = docs or output
    write_files(place, {PICTURE: picture(found), PAGE: page(found, command)})
    return place / PAGE


def page(found: Mapping[str, Distances], command: str) -> str:
    """Return the page as Markdown."""
    columns = ("people", "rows", "pairs", "D median", "D 90 %", "D max", "p median", "p min", f"p < {LEAST}",
               "loss", "log R")  # fmt: skip
    lines = [
        "# How far apart gold models are",
        "",
        "Gold models of one base that differ only in the seed of their fine-tuning, on the mini benchmark, each",
        "pair held against one another by forget quality. This page is written by",
        "",
        f"    {command} --docs docs",
        "",
        f"| forget set | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    for forget, pairs in found.items():
        tail = [float(np.quantile(pairs.distance, share)) for share in (0.5, 0.9, 1.0)]
        values = [
            *tail,
            float(np.median(pairs.p)),
            float(pairs.p.min()),
            float((pairs.p < LEAST).mean()),
            *pairs.noise,
        ]
        counts = [str(pairs.people), str(pairs.rows), str(len(pairs.p))]
        lines.append(f"| {forget} | {' | '.join([*counts, *map(number, values)])} |")
    lines += [
        "",
        f"![Distances D and p-values of pairs of gold models]({PICTURE})",
        "",
        "The p-values of a calibrated test follow the diagonal of the right-hand picture; where the curve lies to the",
        "right of it, p is too high, because both models answer the same questions. An unlearned model's D is to be",
        "read against the D of golds on the same forget set:",
        "",
        "    clear-unlearning score LOG --gold GOLD --gold GOLD_OF_ANOTHER_SEED --gold ...",
        "",
        "gives as `forget_quality_calibrated` the rank of the model among the golds by its mean D to the others",
        "(three golds cannot give less than 1/4, six not less than 1/7), and with `--original` the distance E.",
        "",
        "`loss` and `log R` are what two golds differ by at most in 95 of 100 pairs (Student's t, from their standard",
        "deviation): the mean loss per token of the forget captions in nats, and their mean log truth ratio. A method",
        "that moves neither by more does not forget, as far as these numbers can tell.",
    ]
    return "\n".join(lines) + "\n"


def picture(found: Mapping[str, Distances]) -> bytes:
    """Draw, left: D of each pair by forget set. Right: distribution of p, with the diagonal of a calibrated test."""
    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    dice = np.random.default_rng(0)
    for place, (forget, pairs) in enumerate(found.items()):
        spread = place + dice.uniform(-0.18, 0.18, len(pairs.distance))
        left.scatter(spread, pairs.distance, s=18, alpha=0.6)
        right.ecdf(pairs.p, label=f"{forget} ({pairs.rows} rows)")
    left.set_xticks(range(len(found)), list(found))
    left.set_ylim(0, 1)
    left.set_ylabel("D, gold against gold")
    right.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="calibrated")
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    right.set_xlabel("p")
    right.set_ylabel("share of pairs with a smaller p")
    right.legend(loc="upper left", frameon=False, fontsize=8)
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    """Return a drawn figure as a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def main() -> None:
    """Train gold models of several seeds and show how far apart they are."""
    parser = argparse.ArgumentParser("python -m benchmarks.calibration", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"), help="folder of the runs (%(default)s)")
    parser.add_argument("--golds", type=int, default=6, help="gold models of each forget set (%(default)s)")
    parser.add_argument("--forget", default="forget01,forget05,forget10", help="with commas (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the people (%(default)s)")
    parser.add_argument("--docs", type=Path, help="folder for the page and its picture (that of the runs)")
    options = parser.parse_args()

    forget_sets = options.forget.split(",")
    print(f"page: {calibrate(options.output, options.golds, forget_sets, options.seed, options.docs, Console())}")


if __name__ == "__main__":
    main()
