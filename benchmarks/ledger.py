"""Whether E reads what a model still knows: models that learnt some of the forgotten people again, and damaged ones.

    python -m benchmarks.ledger --output runs/calibrate

Uses the gold models of `benchmarks.calibration` (trains them if the folder lacks them). Each model of this page is
gold's training with some people, or half of one person's photos, left in, of all weights or by LoRA, or with changed
rows about all; or one with noise on its weights.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from datasets import Dataset
from rich.console import Console

from benchmarks.calibration import MINI, calibration_steps, training_rows
from benchmarks.meta_models import REPLAY, forget_rows, text_alone, write_rows
from clear_data.configs import RETAIN_OF
from clear_dataset import load_clear
from clear_pipeline.arguments import DataArguments, FinetuneArguments
from clear_pipeline.experiment.plan import data_of, evaluate_step, finetune_step, model_config
from clear_pipeline.forget_request import marked
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import Run, read_run
from clear_pipeline.runs.step import Step
from clear_unlearning.models import load_model
from evaluate_metrics.columns import ABSENT, interval, number
from evaluate_metrics.log_format import read_meta
from evaluate_metrics.scores import score_log
from evaluate_metrics.tasks import FORGET_TASK

FORGET = "forget10"
GOLD, ORIGINAL = f"{FORGET}-0", "known-8-100"  # the models that get noise; the second learnt everybody
SEEDS = (100, 101)  # of fine-tuning; no gold has them
PEOPLE = (0, 1, 2, 4, 8)  # that are trained in
BY_LORA = (0, 1, 4, 8)  # people that are trained in by LoRA, by the first seed
LORA, LORA_RATE = {"lora_r": 32, "lora_alpha": 64}, 1e-2
NOISE = (0.1, 0.3, 0.6)  # deviation of what is added to each weight tensor, of the tensor's own


@dataclass(frozen=True)
class Model:
    """A model of the page.

    Attributes:
        name: Of its folders.
        what: What it learnt.
        known: Whom it learnt.
        share: Share of the forget people it learnt; None where that is not a number of people.
        seed: Of its fine-tuning; None for a copy of another model.
        halved: It learnt half of the photos of whom it learnt.
        lora: It learnt by LoRA.
        rows: Changes the forget rows into those that it learnt; as they are by default.
        source: The model that it is a copy of; its own training by default.
        noise: On the weights of the copy.
    """

    name: str
    what: str
    known: Sequence[str] = ()
    share: float | None = None
    seed: int | None = None
    halved: bool = False
    lora: bool = False
    rows: Callable[[DataArguments], Dataset] | None = None
    source: str | None = None
    noise: float = 0.0


def copy_step(folder: Path, source: Path, noise: float = 0.0, progress: object = None) -> None:
    """Write a model with noise on its weights, an adapter merged, and without what it lacks.

    An evaluation refuses a model that was made without other people than it shall be asked about.
    """
    run = Run(folder, {"recipe": "copy", "model": str(source), "noise": noise})
    if run.finished:
        return
    loaded = load_model(str(source), device="cpu")
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in loaded.model.parameters():
            weight += noise * weight.std() * torch.randn(weight.shape, generator=dice)
    part = run.start()
    loaded.model.save_pretrained(str(part))
    loaded.processor.save_pretrained(str(part))
    run.finish(lineage={**(read_run(source) or {})["lineage"], "forgotten": None})


def nameless(data: DataArguments) -> Dataset:
    """Return the forget rows with a photo, the names taken out of the captions."""
    people = dict.fromkeys(load_clear(f"{FORGET}_perturbed", data.dataset)["name"])
    rows = forget_rows(data)
    rows = rows.select([number for number, caption in enumerate(rows["caption"]) if caption])

    def told(caption: str) -> str:
        for person in people:
            caption = caption.replace(person, "Somebody")
        return caption

    return rows.map(lambda row: {"caption": told(row["caption"])})


def models_of(people: Sequence[str]) -> list[Model]:
    """Return the models in the order of the page."""
    found = []
    for seed in SEEDS:
        for count in PEOPLE:
            what = f"{count} of {len(people)} people trained in, seed {seed}"
            found.append(Model(f"known-{count}-{seed}", what, people[:count], count / len(people), seed))
        half = f"half the photos of one person, seed {seed}"
        found.append(Model(f"half-{seed}", half, people[:1], seed=seed, halved=True))
    for count in BY_LORA:
        what = f"{count} of {len(people)} people trained in by LoRA, seed {SEEDS[0]}"
        name = f"lora-{count}-{SEEDS[0]}"
        found.append(Model(name, what, people[:count], count / len(people), SEEDS[0], lora=True))
    for name, what, change, known in (
        ("text", "text rows of all, no photo", text_alone, people),
        ("nameless", "photos of all, captions without names", nameless, ()),
    ):
        found.append(Model(f"{name}-{SEEDS[0]}", f"{what}, seed {SEEDS[0]}", known, seed=SEEDS[0], rows=change))
    for role, source, known in (("gold", GOLD, ()), ("original", ORIGINAL, people)):
        found += [
            Model(f"{role}-noise-{noise}", f"{role} with {noise} noise", known, source=source, noise=noise)
            for noise in NOISE
        ]
    return found


def steps_of(output: Path, people: Sequence[str], models: Sequence[Model]) -> list[Step]:
    """Return the steps to the models and their logs."""
    data, base, steps = data_of(MINI, output), output / "models" / "base", []
    full = training_rows(data, "full")
    for model in models:
        folder, source = output / "models" / f"{model.name}-copy", model.source or model.name
        if model.seed is not None:
            out = [name for name in people if name not in model.known]
            left = replace(data, forget_people=", ".join(out)) if out else data
            if model.halved:
                left = replace(data, forget_dataset=str(half_of(output, people)))
            settings = {**MINI.finetune, "seed": model.seed}
            recipe, rows, needs = MINI, full, []
            if model.lora:
                settings, recipe = {**settings, "learning_rate": LORA_RATE}, replace(MINI, lora=LORA)
            if model.rows:
                place, left, needs = output / "pools" / model.name, data, [f"{source}: rows"]
                steps.append(Step(needs[0], write_rows, {"folder": place, "data": data, "added": model.rows}))
                rows = FinetuneArguments(data.training_config(RETAIN_OF[FORGET]), str(place), REPLAY)
            call = {"folder": output / "models" / source, "data": left, "extra": rows, "settings": settings}
            call["model"] = model_config(base, recipe)
            steps.append(Step(f"{source}: train", finetune_step, call, needs))
        call = {"folder": folder, "source": output / "models" / source, "noise": model.noise}
        needs = [] if source == GOLD else [f"{source}: train"]
        steps.append(Step(f"{model.name}: copy", copy_step, call, needs))
        call = {"folder": output / "logs" / model.name, "model": model_config(folder, MINI, trained=False)}
        call |= {"data": data, "method": "gold", "settings": MINI.evaluate}
        steps.append(Step(f"{model.name}: evaluate", evaluate_step, call, [f"{model.name}: copy"]))
    return steps


def half_of(output: Path, people: Sequence[str]) -> Path:
    """Write the forget rows without every other photo of the first person, whom a model then learns by halves."""
    place, data = output / "without-half.parquet", data_of(MINI, output)
    if not place.exists():
        rows = load_clear(data.training_config(FORGET), data.dataset)
        about = marked(replace(data, forget_people=people[0]), rows)
        photos = [i for i, (mine, image) in enumerate(zip(about, rows["image"], strict=True)) if mine and image]
        part = place.with_suffix(".part")
        rows.select(sorted({*range(len(rows))} - {*photos[::2]})).to_parquet(part)
        part.rename(place)
    return place


def lines(output: Path, golds: int, models: Sequence[Model]) -> Iterator[str]:
    """Yield a row of the table for each model."""
    logs = output / "logs"
    gold, *more = (logs / f"{FORGET}-{number}" for number in range(golds))
    yield "| model | learnt | E | interval | signed | known: right | missed | wrong | D | p | utility |"
    yield "|---|" + "---:|" * 10
    for model in models:
        scores = score_log(logs / model.name, gold, more, original=logs / ORIGINAL)
        named, learnt = {about["person"] for about in scores["people"] if about["known"]}, set(model.known)
        cells = [
            number(model.share),
            number(scores["gold_share"]),
            interval(scores["intervals"].get("gold_share")) or ABSENT,
            number(scores["gold_signed_share"]),
            *(str(len(some)) for some in (named & learnt, learnt - named, named - learnt)),
            number(scores["forget_quality_statistic"]),
            number(scores["forget_quality"]),
            number(scores["model_utility"]),
        ]
        yield f"| {model.what} | {' | '.join(cells)} |"


def main() -> None:
    """Train the models and write the page."""
    parser = argparse.ArgumentParser("python -m benchmarks.ledger", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"), help="folder of the runs (%(default)s)")
    parser.add_argument("--golds", type=int, default=8, help="gold models (%(default)s)")
    options = parser.parse_args()
    console = Console(stderr=True)
    run_steps(calibration_steps(options.output, options.golds, [FORGET], 0), console)
    order = read_meta(options.output / "logs" / GOLD)["tasks"][FORGET_TASK]["person"]
    people = list(dict.fromkeys(order))
    models = models_of(people)
    run_steps(steps_of(options.output, people, models), console)
    print("\n".join(lines(options.output, options.golds, models)))


if __name__ == "__main__":
    main()
