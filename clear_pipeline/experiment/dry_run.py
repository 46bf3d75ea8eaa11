"""`table --dry_run`: check a recipe's names, and count the rows and steps of its runs, without weights and data."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from transformers import TrainingArguments

from clear_data.configs import RETAIN_OF
from clear_data.corpora import mini
from clear_data.corpora.people import FACTS
from clear_data.splits import ROWS
from clear_dataset import load_clear
from clear_pipeline.arguments import SidesArguments
from clear_pipeline.forget_request import of_modality, rows_of
from trainers import METHODS
from trainers.retain_finetune import RetainFinetuneConfig
from trainers.scrub import SCRUBConfig

from .plan import cells_of, data_of
from .recipe import PLACE, Recipe

TOFU_ROWS = 4000


@dataclass(frozen=True)
class Estimate:
    """The size of one training.

    Attributes:
        name: Name of the model.
        rows: Rows of an epoch.
        steps: Steps of the optimiser.
    """

    name: str
    rows: int
    steps: int


def row_counts(recipe: Recipe) -> tuple[dict[str, int], str]:
    """Count the rows of `full` and `retain` with the further configs, and of the forget set by modality.

    Returns:
        The counts, and where they come from.
    """
    if recipe.corpus == "mini":
        dials = mini.Dials(recipe.persons, recipe.photos)
        people, forgotten = recipe.persons, dials.forget_sizes()[recipe.forget]
        photos, texts = recipe.photos, len(FACTS)
        extra = mini.REPLAYED_CAPTIONS + mini.REPLAYED_WORLD if recipe.extra_config else 0
        counts = {
            "full": people * (photos + texts) + extra,
            "retain": (people - forgotten) * (photos + texts) + extra,
            "image": forgotten * photos,
            "text": forgotten * texts,
        }
        return {**counts, "both": counts["image"] + counts["text"], "kept": counts["retain"] - extra}, "the dials"
    retain = RETAIN_OF[recipe.forget]
    if recipe.track == "text":
        forgotten = TOFU_ROWS * int(recipe.forget.removeprefix("forget")) // 100
        counts = {"full": TOFU_ROWS, "retain": TOFU_ROWS - forgotten, "both": forgotten, "text": forgotten, "image": 0}
        return {**counts, "kept": counts["retain"]}, "TOFU's published rows"
    data = data_of(recipe, Path())
    if data.named:
        rows = rows_of(data, SidesArguments(), lambda config: load_clear(config, data.dataset))
        both, kept = len(rows["forget"]), len(rows["retain"])
        image = len(of_modality(rows["forget"], "image"))
        counts = {"full": kept + both, "retain": kept, "both": both, "image": image, "text": both - image}
        return {**counts, "kept": kept}, "the rows that are named"
    if Path(str(recipe.dataset)).is_dir():
        counted = {name: len(load_clear(name, str(recipe.dataset))) for name in (recipe.forget, "full+tofu")}
        counted |= {
            f"{name}+tofu": len(load_clear(f"{name}+tofu", str(recipe.dataset))) for name in (recipe.forget, retain)
        }
        where = "the folder"
    else:
        counted, where = {name: most for name, (_, most) in ROWS.items()}, "the published dataset"
    both, image = counted[f"{recipe.forget}+tofu"], counted[recipe.forget]
    counts = {"full": counted["full+tofu"], "retain": counted[f"{retain}+tofu"], "both": both, "image": image}
    return {**counts, "text": both - image, "kept": counts["retain"]}, where


def estimates_of(recipe: Recipe, counts: dict[str, int]) -> Iterator[Estimate]:
    """Return the size of each training of one seed."""
    for cell in cells_of(recipe.methods, recipe.modalities):
        if cell.method is None:
            rows = counts["full" if cell.name == "original" else "retain"]
            training: Any = RetainFinetuneConfig(output_dir=PLACE, use_cpu=True, **recipe.finetune)
            steps = steps_of(training, rows)
        else:
            trainer, config = METHODS[cell.method]
            training = config(output_dir=PLACE, use_cpu=True, **recipe.settings_of(cell.method))
            rows = counts["kept" if trainer.needs[0] == "retain" else cell.modality]
            steps = steps_of(training, rows)
            if isinstance(training, SCRUBConfig):  # a step has the rows of one side
                rows = counts["kept"] + counts[cell.modality]
                forget = steps_of(training, counts[cell.modality], min(training.msteps, training.num_train_epochs))
                steps = steps_of(training, counts["kept"]) + forget
        yield Estimate(cell.name, rows, steps)


def steps_of(training: TrainingArguments, rows: int, epochs: float | None = None) -> int:
    """Return the number of steps of a training over rows, on one process."""
    if training.max_steps > 0:
        return training.max_steps
    batches = math.ceil(rows / training.per_device_train_batch_size)
    per_epoch = math.ceil(batches / training.gradient_accumulation_steps)
    return math.ceil(per_epoch * (training.num_train_epochs if epochs is None else epochs))


def estimate_table(recipe: Recipe) -> Iterator[Table | str]:
    """Return what `--dry_run` shows: a table and lines below it."""
    if recipe.tofu_dir is not None:
        recipe.check_texts()
    counts, where = row_counts(recipe)
    table = Table("training", "rows", "steps", title=f"{recipe.name}: each of {len(recipe.seeds)} seeds")
    for column in table.columns[1:]:
        column.justify = "right"
    found = list(estimates_of(recipe, counts))
    for one in found:
        table.add_row(one.name, f"{one.rows:,}", f"{one.steps:,}")
    yield table
    yield f"rows from {where}, at most; memory: `accelerate estimate-memory {recipe.model}`"
    models, seeds = len(found), len(recipe.seeds)
    steps, logs = sum(one.steps for one in found), models * len(recipe.tracks)
    yield f"in all: {models * seeds} trainings of {steps * seeds:,} steps, {logs * seeds} evaluations"
    yield "all names are right"
