"""Estimate a run before it is started: models, steps and images, and the time by one measured step."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from clear_data.corpora.mini import Dials
from clear_data.splits import FORGET_PEOPLE
from clear_pipeline.experiment.dry_run import steps_of
from trainers.visual import VISUAL_METHODS
from trainers.visual.face_model import build_face_model, margin_logits, right_log_probs

from .arguments import VisualArguments

MEASURED = 8  # images in the measured step
PERSONS, PHOTOS = 200, 19  # people of the published dataset, and photos of each, rounded up
PRETRAINING = 30  # photos of a celebrity in CelebA-1000, rounded


@dataclass(frozen=True)
class Cost:
    """The cost of one kind of training.

    Attributes:
        name: `base`, or a method.
        models: How many are trained.
        steps: Optimiser steps of one.
        images: Images of both sides that pass through one, forward and back.
    """

    name: str
    models: int
    steps: int
    images: int


def costs(arguments: VisualArguments) -> list[Cost]:
    """Return the cost of each training, in the order in which they run."""
    drawn = arguments.dataset == "mini"
    photos, persons, forget = PHOTOS, PERSONS, len(FORGET_PEOPLE[arguments.forget])
    if drawn:
        photos, persons = arguments.photos, arguments.persons
        forget = Dials(persons, photos).forget_sizes()[arguments.forget]
    retain = arguments.retain_people or (persons - 2 * forget) // 2
    base = {**arguments.training, **arguments.pretraining.settings}
    people = arguments.pretraining.people or 40
    rows = [_cost(arguments, "base", "gold", 1, 0, people * (photos if drawn else PRETRAINING), base)]
    for method in arguments.methods:
        settings = arguments.method_settings(method)
        rows.append(_cost(arguments, method, method, arguments.models, forget * photos, retain * photos, settings))
    return rows


def _cost(
    arguments: VisualArguments, name: str, method: str, models: int, forget: int, retain: int, settings: dict
) -> Cost:
    trainer, config = VISUAL_METHODS[method]
    values = config(output_dir=str(arguments.output), **settings)
    epochs, sides = values.num_train_epochs, len(trainer.needs)
    if method == "original":
        driving, sides = forget + retain, 1
    elif method == "neggrad":  # half of the epochs pass over one side, half over the other
        steps = sum(steps_of(values, rows, epochs / 2) for rows in (forget, retain))
        return Cost(name, models, steps, round(epochs / 2 * (forget + retain)))
    else:
        driving = forget * values.forget_repeat if trainer.needs[0] == "forget" else retain
    return Cost(name, models, steps_of(values, driving), round(epochs * driving * sides))


def seconds_an_image(arguments: VisualArguments) -> float:
    """Measure one step, forward and back, on this machine's device."""
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    if arguments.training.get("use_cpu"):
        device = torch.device("cpu")
    model: Any = build_face_model(arguments.backbone, ["a", "b"], arguments.size)
    model = model.to(device).train()
    pixels = torch.from_numpy(np.zeros((MEASURED, 3, arguments.size, arguments.size), dtype=np.float32)).to(device)
    labels = torch.zeros(MEASURED, dtype=torch.long, device=device)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        (-right_log_probs(margin_logits(model(pixels).cosines, labels), labels).mean()).backward()
        if device.type != "cpu":
            torch.accelerator.synchronize()
        times.append(time.perf_counter() - start)
    return min(times) / MEASURED


def cost_lines(arguments: VisualArguments, rows: Sequence[Cost], seconds: float) -> list[str]:
    """Return the costs as lines of text, the sum last."""
    lines = [f"{'training':<16}{'models':>8}{'steps each':>12}{'images each':>13}{'hours in all':>14}"]
    for row in rows:
        hours = row.models * row.images * seconds / 3600
        lines.append(f"{row.name:<16}{row.models:>8}{row.steps:>12,}{row.images:>13,}{hours:>14.2f}")
    models = sum(row.models for row in rows)
    images = sum(row.models * row.images for row in rows)
    lines.append(
        f"{models:,} trainings, {sum(row.models * row.steps for row in rows):,} steps, {images:,} images of "
        f"{arguments.size} pixels by {arguments.backbone}: {images * seconds / 3600:.1f} hours, one after another, at "
        f"{1000 * seconds:.1f} ms an image here"
    )
    return lines
