"""A run of the visual track: photos, base model, the models of each split by each method, and the report."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from transformers import PrinterCallback, TrainerCallback

from clear_data.portraits import load_portraits, write_pixels
from clear_dataset import build
from clear_pipeline.runs.executor import check_executor, run_steps
from clear_pipeline.runs.run_folder import Run, write_json
from clear_pipeline.runs.step import Step
from clear_pipeline.train import Progress
from trainers.visual import FROM_BASE, VISUAL_METHODS
from trainers.visual.face_model import FaceModel, Faces, build_face_model

from .arguments import VisualArguments
from .report import write_report
from .scores import LOGITS, RECOGNITION, gather, model_folder, table_rows, write_recognition
from .splits import SPLITS, Split, as_json, check_photos, draw_splits, holdout_people, load_splits

DIALS_FILE = "visual.json"


def photos_step(arguments: VisualArguments, progress: Progress) -> None:
    """Write photos as arrays and draw the splits, into `<output>/photos`."""
    names = ("dataset", "forget", "models", "retain_people", "size", "seed")
    settings = {name: getattr(arguments, name) for name in names}
    if arguments.dataset == "mini":
        settings |= {"persons": arguments.persons, "photos": arguments.photos}
    pretraining = {k: v for k, v in asdict(arguments.pretraining).items() if k != "settings"}
    run = Run(arguments.output / "photos", {"recipe": "photos", **settings, "pretraining": pretraining})
    if run.finished:
        return
    folder, source = run.start(), arguments.dataset
    if source == "mini":
        source = str(folder / "clear")
        build("mini", source, arguments.persons, arguments.photos, arguments.seed, overwrite=True)
    rows, people = load_portraits(source, "full")
    check_photos(people)
    forget = list(load_portraits(source, arguments.forget)[1])
    holdout = holdout_people(list(people), forget, arguments.forget, arguments.seed)
    splits = draw_splits(list(people), forget, holdout, arguments.models, arguments.retain_people, arguments.seed)
    write_json(folder / SPLITS, as_json(splits))
    names_of = {"people": write_pixels(folder / "people.npy", rows, people, arguments.size, progress)}
    before = arguments.pretraining
    place = f"{source}_extra" if before.dataset == "mini" else before.dataset
    rows, people = load_portraits(place, before.config, before.label_column, before.image_column, split=before.split)
    most = sorted(people, key=lambda person: -len(people[person]))[: before.people]
    chosen = {person: people[person] for person in most}
    names_of["pretraining"] = write_pixels(folder / "pretraining.npy", rows, chosen, arguments.size, progress)
    write_json(folder / "people.json", names_of)
    run.finish()


def load_faces(output: Path, name: str) -> Faces:
    """Return the photos of everybody (`people`), or those of the pretraining, mapped from their file."""
    folder = output / "photos"
    people = json.loads((folder / "people.json").read_text())[name]
    pixels = np.load(folder / f"{name}.npy", mmap_mode="r")
    return Faces(pixels, np.arange(len(people)), tuple(people))


def base_step(arguments: VisualArguments, progress: Progress) -> None:
    """Train the base model on other people, into `<output>/models/base`."""
    settings = {**arguments.training, **arguments.pretraining.settings, "seed": arguments.seed}
    about = {"backbone": arguments.backbone, "size": arguments.size, "settings": settings}
    run = Run(arguments.output / "models" / "base", {"recipe": "base", **about})
    if run.finished:
        return
    folder, faces = run.start(), load_faces(arguments.output, "pretraining")
    model = build_face_model(arguments.backbone, list(dict.fromkeys(faces.people)), arguments.size, arguments.seed)
    train("gold", model, {"retain": faces}, settings, progress)
    model.save_pretrained(folder)
    run.finish()


def model_step(arguments: VisualArguments, split: Split, progress: Progress) -> None:
    """Train and look at the models of one split: the original, gold and one a method; finished ones stay."""
    faces, methods = load_faces(arguments.output, "people"), arguments.methods
    sides = {"forget": faces.of(split.forget), "retain": faces.of(split.retain)}
    order = ["original", *(method for method in methods if method != "original")]
    for number, method in enumerate(order):
        settings = {**arguments.method_settings(method), "seed": arguments.seed + split.model}
        run = Run(model_folder(arguments.output, method, split.model), {"recipe": method, "settings": settings})
        if not run.finished:
            folder = run.start()
            model = _start(arguments, method, split)
            train(method, model, sides, settings)
            write_recognition(folder / RECOGNITION, model, faces, split)
            if method == "original" or arguments.keep_models:
                model.save_pretrained(folder)
            run.finish()
        progress(number + 1, len(order))


def _start(arguments: VisualArguments, method: str, split: Split) -> FaceModel:
    """Return the model that a method starts from."""
    if method not in FROM_BASE:
        return FaceModel.from_pretrained(model_folder(arguments.output, "original", split.model))
    model = FaceModel.from_pretrained(arguments.output / "models" / "base")
    people = split.retain if method == "gold" else split.forget + split.retain
    model.set_people(people, arguments.seed + split.model)
    return model


class _Report(TrainerCallback):
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(state.global_step, state.max_steps)


def train(
    method: str, model: FaceModel, sides: dict[str, Faces], settings: dict[str, Any], progress: Progress | None = None
) -> None:
    """Train a model by a method."""
    trainer_class, config_class = VISUAL_METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        config = config_class(output_dir=folder, disable_tqdm=True, logging_strategy="no", **settings)
        trainer = trainer_class(model, config, sides, [_Report(progress)] if progress else None)
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def visual_steps(arguments: VisualArguments) -> list[Step]:
    """Return the steps of a run whose photos are there: the base model, then one step a split."""
    name = {"arguments": arguments}
    steps = [Step("base", base_step, name)]
    for split in load_splits(arguments.output):
        steps.append(
            Step(f"model {split.model + 1} of {arguments.models}", model_step, {**name, "split": split}, ["base"])
        )
    return steps


def run_visual(
    arguments: VisualArguments, console: Console, executor: str = "local", workers: int | None = None
) -> dict[str, Any]:
    """Train what is missing, and write logits and report.

    Args:
        arguments: The run.
        console: Where progress is drawn.
        executor: As in `run_steps`.
        workers: As in `run_steps`.

    Raises:
        ValueError: If the output folder holds another run.
    """
    check_executor(executor)
    run_steps([Step("photos", photos_step, {"arguments": arguments})], console, workers, executor)
    run_steps(visual_steps(arguments), console, workers, executor)
    about = {
        "dials": arguments.dials(),
        "methods": list(arguments.methods),
        "sigma": arguments.sigma,
        "enrolment_photos": arguments.enrolment_photos,
        "settings": {method: arguments.method_settings(method) for method in arguments.methods},
        "pretraining": asdict(arguments.pretraining),
    }
    write_json(arguments.output / DIALS_FILE, about)
    return report_of(arguments.output)


def report_of(output: Path) -> dict[str, Any]:
    """Write logits and report of a finished run.

    Raises:
        FileNotFoundError: If the folder holds no finished run.
    """
    path = output / DIALS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{output} holds no finished run of the visual track ({DIALS_FILE} is missing)")
    about = json.loads(path.read_text())
    accuracies, logits = gather(output, about["methods"])
    part = output / f"{LOGITS}.part"
    pq.write_table(logits, part)
    part.rename(output / LOGITS)
    rows = table_rows(accuracies, logits, about["sigma"], about["enrolment_photos"])
    return write_report(output, about, rows, logits)
