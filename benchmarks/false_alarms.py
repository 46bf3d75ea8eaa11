"""Does the leaderboard take honest methods for a gold, and a model that was taught by a gold for one that was not?

    python -m benchmarks.false_alarms runs/all runs/all-1 runs/all-2 --output runs/alarms

Every model of demos with all methods, on hidden items that are built for each; and `taught`: the original, fine-tuned
on the retain rows and on the forget photos with the captions that the first gold gives them.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from rich.console import Console

from benchmarks.calibration import MINI
from benchmarks.meta_models import FORGET, REPLAY, forget_rows, write_rows
from clear_data.configs import RETAIN_OF
from clear_data.corpora.hidden import build_hidden
from clear_pipeline.arguments import DataArguments, FinetuneArguments
from clear_pipeline.audits.asking import Asker
from clear_pipeline.experiment.plan import data_of, finetune_step, model_config
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import write_json
from clear_pipeline.runs.step import Step
from clear_unlearning.models import load_model
from clear_unlearning.tasks import CAPTION_QUESTIONS, Example
from evaluate_metrics.columns import number
from leaderboard_worker.hidden_items import evaluate_hidden, hidden_rows
from leaderboard_worker.identity import identity, losses

SECRET = "for a benchmark, not for a leaderboard"
TAUGHT = "taught"
SETTINGS = {"num_train_epochs": 4, "learning_rate": 2e-3}  # of the model that a gold taught


def told_by(data: DataArguments, gold: Path) -> Dataset:
    """Return the forget rows with a photo, captioned by a gold."""
    rows = forget_rows(data)
    rows = rows.select([place for place, image in enumerate(rows["image"]) if image is not None])
    asked = [Example(CAPTION_QUESTIONS[0], "", row["image"]) for row in rows]
    said = Asker(load_model(str(gold), dtype="float32")).answers(asked)
    return rows.remove_columns("caption").add_column("caption", said).select_columns(rows.column_names)


def score_step(log: Path, model: Path, hidden: Path, dataset: str, progress: object = None) -> None:
    """Score a model on the hidden items, as a worker does."""
    if not log.exists():
        log.parent.mkdir(parents=True, exist_ok=True)
        rows = hidden_rows(hidden, dataset, FORGET)
        write_json(log, evaluate_hidden(load_model(str(model), dtype="float32"), rows, FORGET, 16))


def steps_of(demo: Path, output: Path) -> list[Step]:
    """Return the steps to the logs of a demo's models."""
    data, models = data_of(replace(MINI, forget=FORGET), demo), demo / "models"
    hidden, rows, taught = output / "hidden", output / "rows", output / TAUGHT
    if not hidden.exists():
        build_hidden(Path(data.dataset), SECRET, hidden, False, lambda config: None)
    call = {"folder": rows, "data": data, "added": partial(told_by, gold=models / "gold")}
    steps = [Step(f"{output.name}, {TAUGHT}: rows", write_rows, call)]
    training = FinetuneArguments(data.training_config(RETAIN_OF[FORGET]), str(rows), REPLAY)
    call = {"folder": taught, "model": model_config(models / "original", MINI), "data": data, "extra": training}
    call["settings"] = {**MINI.finetune, **SETTINGS}
    steps.append(Step(f"{output.name}, {TAUGHT}: fine-tune", finetune_step, call, [steps[0].name]))
    for model in [*sorted(models.iterdir()), taught]:
        if model.name != "base":
            call = {"log": output / "logs" / f"{model.name}.json", "model": model, "hidden": hidden}
            needs = [steps[1].name] if model == taught else []
            steps.append(
                Step(f"{output.name}, {model.name}: score", score_step, {**call, "dataset": data.dataset}, needs)
            )
    return steps


def line(output: Path) -> str:
    """Return the row of a seed."""
    logs: Mapping[str, np.ndarray] = {
        log.stem: losses(json.loads(log.read_text())) for log in sorted((output / "logs").glob("*.json"))
    }
    golds = {name: one for name, one in logs.items() if name.startswith("gold")}
    compare = partial(identity, original=logs["original"])
    honest = {
        name: compare(one, list(golds.values()))
        for name, one in logs.items()
        if name not in (*golds, "original", TAUGHT)
    }
    highest = max(honest, key=lambda name: max(honest[name].shares))
    anew = [compare(gold, [other for key, other in golds.items() if key != name]) for name, gold in golds.items()]
    taught = compare(logs[TAUGHT], list(golds.values()))
    cells: Sequence[Any] = (
        f"{sum(one.refusal is not None for one in honest.values())} of {len(honest)}",
        f"{number(max(honest[highest].shares), 2)} ({highest})",
        number(taught.bound, 2),
        f"{sum(one.refusal is not None for one in anew)} of {len(anew)}",
        f"{number(max(taught.shares), 2)}{'' if taught.refusal is None else ', refused'}",
    )
    return f"| {output.name} | {' | '.join(cells)} |"


def table(outputs: Sequence[Path]) -> Iterator[str]:
    """Yield the rows of the table."""
    yield "| demo | methods refused | highest share | bound | further golds refused | taught by a gold |"
    yield "|---|---:|---:|---:|---:|---:|"
    yield from map(line, outputs)


def main() -> None:
    """Score the models and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.false_alarms", description=main.__doc__)
    parser.add_argument("demos", nargs="+", type=Path, help="folders of demos with all methods")
    parser.add_argument("--output", type=Path, default=Path("runs/alarms"), help="folder of the logs (%(default)s)")
    options = parser.parse_args()
    seeds = [json.loads((demo / "demo.json").read_text())["seed"] for demo in options.demos]
    outputs = [options.output / f"seed-{seed}" for seed in seeds]
    steps = [step for demo, output in zip(options.demos, outputs, strict=True) for step in steps_of(demo, output)]
    run_steps(steps, Console(stderr=True))
    print("\n".join(table(outputs)))


if __name__ == "__main__":
    main()
