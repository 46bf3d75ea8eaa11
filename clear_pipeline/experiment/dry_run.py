"""`table --dry_run`: how many steps and how much memory a recipe's runs take, without weights and without data.

Weights, gradients and optimiser are counted; activations are estimated by 34 bytes a token, layer and unit of width in
16 bits (Korthikanti et al., arXiv 2205.05198, without the attention matrix, which is never stored), twice that in 32.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from clear_data.configs import RETAIN_OF
from clear_data.corpora import mini
from clear_data.corpora.people import FACTS
from clear_data.published import ROWS
from clear_dataset import load_clear
from trainers import METHODS
from trainers.base import UnlearningConfig
from trainers.retain_finetune import RetainFinetuneConfig
from trainers.scrub import SCRUBConfig

from .plan import cells_of
from .recipe import PLACE, Recipe, Size

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
ACTIVATION = 34  # bytes in 16 bits
TOFU_ROWS = 4000


@dataclass(frozen=True)
class Estimate:
    """What one training takes.

    Attributes:
        name: Of the model.
        rows: That drive an epoch.
        steps: Of the optimiser.
        memory: Bytes at its peak.
    """

    name: str
    rows: int
    steps: int
    memory: float


def row_counts(recipe: Recipe) -> tuple[dict[str, int], str]:
    """Rows of `full` and `retain`, with what is learnt besides, and of the forget set by modality.

    Returns:
        The counts, and where they are from.
    """
    if recipe.corpus == "mini":
        dials = mini.Dials(recipe.persons, recipe.photos)
        people, forgotten = recipe.persons, dials.forget_sizes()[recipe.forget]
        photos, texts = recipe.photos, len(FACTS)
        base = mini.BASE_PEOPLE * mini.BASE_PHOTOS
        unknown = mini.UNKNOWN_QUESTIONS + mini.UNKNOWN_PHOTOS
        extra = 2 * base + mini.CELEBRITIES * mini.CELEBRITY_PHOTOS + mini.WORLD_PHOTOS + unknown
        extra = extra if recipe.extra_config else 0
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


def size_of(recipe: Recipe) -> tuple[Size, str]:
    """The size of the model: from its config if that is at hand, otherwise from the recipe.

    Returns:
        The size, and where it is from.

    Raises:
        ValueError: If neither is there.
    """
    try:
        config = AutoConfig.from_pretrained(recipe.model, local_files_only=True, trust_remote_code=False)
    except OSError as error:
        if recipe.size is None:
            raise ValueError(
                f"{recipe.name}: the config of {recipe.model} is not at hand, and the recipe has no key size"
            ) from error
        return recipe.size, "the recipe"
    build: Any = AutoModelForImageTextToText if recipe.track == "image" else AutoModelForCausalLM
    with torch.device("meta"):
        model = build.from_config(config)
    text = config.get_text_config()
    linear = [module for module in model.get_decoder().modules() if isinstance(module, nn.Linear)]
    adapter = sum(module.in_features + module.out_features for module in linear)
    weights = sum(weight.numel() for weight in model.parameters())
    tokens = recipe.size.tokens if recipe.size else 700
    return Size(weights, text.hidden_size, text.num_hidden_layers, tokens, adapter), "its config"


def estimates_of(recipe: Recipe, size: Size, counts: dict[str, int]) -> Iterator[Estimate]:
    """What each training of one seed takes."""
    for cell in cells_of(list(recipe.methods), recipe.modalities):
        if cell.method is None:
            rows = counts["full" if cell.name == "original" else "retain"]
            training: Any = RetainFinetuneConfig(output_dir=PLACE, use_cpu=True, **recipe.finetune)
            sides, steps = 1, steps_of(training, rows)
        else:
            trainer, config = METHODS[cell.method]
            training = config(output_dir=PLACE, use_cpu=True, **recipe.settings(cell.method))
            rows = counts["kept" if trainer.needs[0] == "retain" else cell.modality]
            sides = len(trainer.needs)
            steps = steps_of(training, rows)
            if isinstance(training, SCRUBConfig):  # by turns: a step has one side
                rows, sides = counts["kept"] + counts[cell.modality], 1
                forget = steps_of(training, counts[cell.modality], min(training.msteps, training.num_train_epochs))
                steps = steps_of(training, counts["kept"]) + forget
        yield Estimate(cell.name, rows, steps, memory_of(recipe, size, training, sides))


def steps_of(training: UnlearningConfig, rows: int, epochs: float | None = None) -> int:
    """Steps of a training over rows, on one process."""
    if training.max_steps > 0:
        return training.max_steps
    batches = math.ceil(rows / training.per_device_train_batch_size)
    per_epoch = math.ceil(batches / training.gradient_accumulation_steps)
    return math.ceil(per_epoch * (training.num_train_epochs if epochs is None else epochs))


def memory_of(recipe: Recipe, size: Size, training: UnlearningConfig, sides: int) -> float:
    """Bytes of weights, gradients, optimiser and activations at the peak."""
    precision = BYTES[recipe.dtype]
    if recipe.lora is None:
        state = size.parameters * precision * 4  # weights, gradients, two moments
    else:
        state = size.parameters * precision + size.adapter * recipe.lora.get("lora_r", 16) * 4 * 4
    tokens = training.per_device_train_batch_size * sides * size.tokens
    whole = tokens * size.width * size.layers * ACTIVATION * precision / 2
    if training.gradient_checkpointing:  # the states between layers, and one layer at a time
        whole = whole / size.layers + tokens * size.width * size.layers * precision
    return state + whole


def estimate_table(recipe: Recipe) -> Iterator[Table | str]:
    """What `--dry_run` shows."""
    size, source = size_of(recipe)
    counts, where = row_counts(recipe)
    table = Table("training", "rows", "steps", "memory", title=f"{recipe.name}: each of {len(recipe.seeds)} seeds")
    for column in table.columns[1:]:
        column.justify = "right"
    found = list(estimates_of(recipe, size, counts))
    for one in found:
        table.add_row(one.name, f"{one.rows:,}", f"{one.steps:,}", _bytes(one.memory))
    yield table
    lora = f", LoRA of {recipe.lora.get('lora_r', 16) * size.adapter / 1e6:.1f} million" if recipe.lora else ""
    yield f"{recipe.model}: {size.parameters / 1e6:,.1f} million weights in {recipe.dtype} (from {source}){lora}"
    yield f"rows from {where}, at most; memory with activations of about {size.tokens} tokens a row"
    models, seeds = len(found), len(recipe.seeds)
    steps, logs = sum(one.steps for one in found), models * len(recipe.tracks)
    yield f"in all: {models * seeds} trainings of {steps * seeds:,} steps, {logs * seeds} evaluations"
    yield "all names are right"


def _bytes(count: float) -> str:
    unit = "GB" if count >= 1e8 else "MB"
    return f"{count / (1e9 if unit == 'GB' else 1e6):,.1f} {unit}"
