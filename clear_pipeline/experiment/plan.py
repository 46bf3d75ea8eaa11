"""The runs of one seed as steps: corpus, base, original and gold, each method, and what each model is asked.

The demo runs one seed, the table several. Every step fills one folder, so that what is finished is skipped.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trl import ModelConfig

from clear_data.configs import CONFIGS, EXTRA_CONFIGS, RETAIN_OF
from clear_dataset import build, build_text
from clear_pipeline.arguments import (
    MINI_MODEL,
    DataArguments,
    EvaluateArguments,
    FinetuneArguments,
    SidesArguments,
    TokenArguments,
)
from clear_pipeline.base_model import build_base, pretrain_base
from clear_pipeline.evaluate import EvaluateJob, evaluate
from clear_pipeline.runs.run_folder import Run
from clear_pipeline.runs.step import Step
from clear_pipeline.train import FinetuneJob, Progress, UnlearnJob, finetune, unlearn
from trainers import METHODS, label_of
from trainers.retain_finetune import RetainFinetuneConfig

from .recipe import GOLD, Recipe

GOLD_STRIDE = 1000  # between the fine-tuning seeds of a seed's golds
BASES = "bases"  # folder beside the runs


@dataclass(frozen=True)
class Cell:
    """A model of the tables.

    Attributes:
        name: Of its folder: `original`, `gold`, a method's name, or that with a modality.
        method: Row of METHODS or one of one's own, None for original and gold.
        modality: Rows that were forgotten.
    """

    name: str
    method: str | None = None
    modality: str = "both"


def cells_of(methods: Sequence[str], modalities: Sequence[str]) -> list[Cell]:
    """Return all models of a seed, in the order in which they are read.

    A method that looks at no forget rows is the same for all modalities, and there once.
    """
    cells = [Cell("original"), Cell("gold")]
    for method in methods:
        for modality in modalities if "forget" in METHODS[method][0].needs else modalities[:1]:
            label = label_of(method)
            cells.append(Cell(label if modality == "both" else f"{label}-{modality}", method, modality))
    return cells


def log_folder(folder: Path, cell: str, recipe: Recipe, track: str) -> Path:
    """Return where the log of a model is, by the track of what it was asked."""
    return folder / "logs" / (cell if track == recipe.track else f"{cell}-{track}-questions")


def data_of(recipe: Recipe, folder: Path, track: str | None = None) -> DataArguments:
    """Return where the rows of a seed are."""
    source = recipe.dataset or str(folder / "data" / recipe.folder)
    if track == "text" and recipe.text_dataset:
        source = recipe.text_dataset
    return DataArguments(source, track or recipe.track, recipe.forget, recipe.forget_people, recipe.forget_dataset)


def corpus_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the corpus and its size."""
    if recipe.corpus == "mini":
        return {"corpus": "mini", "persons": recipe.persons, "photos": recipe.photos}
    return {"corpus": recipe.corpus, "authors": recipe.authors}


def corpus_step(folder: Path, recipe: Recipe, seed: int, progress: Progress) -> None:
    """Build the corpus."""
    run = Run(folder, {"recipe": "corpus", **corpus_settings(recipe), "seed": seed})
    if run.finished:
        return
    place = run.start() / recipe.folder
    if recipe.corpus == "mini":
        done = itertools.count(1)
        build(
            "mini", place, recipe.persons, recipe.photos, seed, overwrite=True,
            written=lambda config: progress(next(done), len(CONFIGS) + len(EXTRA_CONFIGS)),
        )  # fmt: skip
    elif recipe.tofu_dir is not None:
        build_text(recipe.tofu_dir, place, recipe.authors, overwrite=True)
    run.finish()


def base_step(folder: Path, data: DataArguments, extra: FinetuneArguments, seed: int, progress: Progress) -> None:
    """Write the untrained model."""
    build_base(folder, data, extra, seed)


def pretrained_step(folder: Path, bases: Path, dataset: str, settings: dict[str, Any], progress: Progress) -> None:
    """Write the pretrained model, found among the shared ones or trained."""
    pretrain_base(folder, bases, dataset, settings, progress)


def model_config(source: str | Path, recipe: Recipe, trained: bool = True) -> ModelConfig:
    """Return how a model is loaded: to be trained, under LoRA if the recipe says so, or to be asked."""
    lora = {"use_peft": True, **recipe.lora} if recipe.lora is not None and trained else {}
    return ModelConfig(model_name_or_path=str(source), dtype=recipe.dtype, **lora)


def finetune_step(
    folder: Path,
    model: ModelConfig,
    data: DataArguments,
    extra: FinetuneArguments,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Fine-tune the original or the gold model."""
    training = RetainFinetuneConfig(output_dir=str(folder), **settings)
    finetune(FinetuneJob(folder, model, data, extra, training), progress)


def unlearn_step(
    folder: Path,
    model: ModelConfig,
    data: DataArguments,
    method: str,
    modality: str,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Unlearn by one method."""
    training = METHODS[method][1](output_dir=str(folder), **settings)
    unlearn(UnlearnJob(folder, method, model, data, training, SidesArguments(modality=modality)), progress)


def evaluate_step(
    folder: Path,
    model: ModelConfig,
    data: DataArguments,
    method: str,
    settings: dict[str, Any],
    progress: Progress,
    judge: Path | None = None,
) -> None:
    """Ask one model, and has another judge its answers."""
    scoring = EvaluateArguments(**{name: value for name, value in settings.items() if name != "judge"})
    tokens = TokenArguments(judge=str(judge) if judge else None)
    evaluate(EvaluateJob(folder, model, data, method, scoring, tokens), progress)


def gold_seeds(recipe: Recipe, seed: int) -> dict[str, int]:
    """Return the gold models of a seed by name, each with the seed of its fine-tuning."""
    return {GOLD if number == 0 else f"{GOLD}-{number}": seed + GOLD_STRIDE * number for number in range(recipe.golds)}


def base_of(
    recipe: Recipe,
    folder: Path,
    data: DataArguments,
    rows: FinetuneArguments,
    seed: int,
    bases: Path,
    prefix: str = "",
) -> Step:
    """Return the step to the mini base."""
    needs = [f"{prefix}corpus"] if recipe.corpus else []
    if recipe.pretrain is None:
        call = {"data": data, "folder": folder, "extra": rows, "seed": seed}
        return Step(f"{prefix}base", base_step, call, needs)
    call = {"folder": folder, "bases": bases, "dataset": data.dataset, "settings": recipe.pretrain}
    return Step(f"{prefix}base", pretrained_step, call, needs)


def training_steps(recipe: Recipe, folder: Path, seed: int, prefix: str = "", bases: Path | None = None) -> list[Step]:
    """Return the steps to original and gold.

    Args:
        recipe: What is run.
        folder: Of the seed.
        seed: Of corpus, weights and batches.
        prefix: Of the steps' names.
        bases: Folder of the pretrained bases, which all seeds share; `bases` beside `folder` by default.
    """
    data, models = data_of(recipe, folder), folder / "models"
    beside = f"{data.dataset}{recipe.extra_suffix}" if recipe.extra_config else None
    extra = {"extra_config": recipe.extra_config, "extra_dataset": beside}
    everybody = data.everybody()
    full = FinetuneArguments(dataset_config=data.training_config("full"), **extra)
    kept = data.training_config(RETAIN_OF[recipe.forget])
    gold = full if data.named else FinetuneArguments(dataset_config=kept, **extra)
    steps, needs, base = [], [], recipe.model
    if recipe.corpus is not None:
        call = {"folder": folder / "data", "recipe": recipe, "seed": seed}
        steps.append(Step(f"{prefix}corpus", corpus_step, call))
        needs = [f"{prefix}corpus"]
    if recipe.model == MINI_MODEL:
        base = str(models / "base")
        shared = bases or folder.parent / BASES
        steps.append(base_of(recipe, models / "base", everybody, full, seed, shared, prefix))
        needs = [f"{prefix}base"]
    golds = gold_seeds(recipe, seed).items()
    trained = [("original", everybody, full, seed), *((name, data, gold, other) for name, other in golds)]
    for name, source, rows, training_seed in trained:
        call = {"data": source, "folder": models / name, "model": model_config(base, recipe), "extra": rows}
        settings = {**recipe.finetune, "seed": training_seed}
        steps.append(Step(f"{prefix}{name}: fine-tune", finetune_step, {**call, "settings": settings}, needs))
    return steps


def seed_steps(
    recipe: Recipe,
    folder: Path,
    seed: int,
    modalities: Sequence[str] = ("both",),
    tracks: Sequence[str] | None = None,
    prefix: str = "",
    bases: Path | None = None,
) -> list[Step]:
    """Return all steps of a seed.

    Args:
        recipe: What is run.
        folder: Of the seed.
        seed: Of corpus, weights and batches.
        modalities: Rows to forget.
        tracks: What the models are asked; only the recipe's track by default.
        prefix: Of the steps' names.
        bases: Folder of the pretrained bases.
    """
    steps, models = training_steps(recipe, folder, seed, prefix, bases), folder / "models"
    cells = cells_of(recipe.methods, modalities)
    original = f"{prefix}original: fine-tune"
    for cell in cells:
        if cell.method is None:
            continue
        call = {"data": data_of(recipe, folder), "folder": models / cell.name, "method": cell.method}
        adapted = METHODS[cell.method][0].takes_adapter  # otherwise the method changes the merged weights
        call |= {"model": model_config(models / "original", recipe, adapted), "modality": cell.modality}
        settings = {**recipe.settings_of(cell.method), "seed": seed}
        steps.append(Step(f"{prefix}{cell.name}: unlearn", unlearn_step, {**call, "settings": settings}, [original]))
    for track, cell in itertools.product(tracks or (recipe.track,), cells):
        call = {"data": data_of(recipe, folder, track), "folder": log_folder(folder, cell.name, recipe, track)}
        call |= {"model": model_config(models / cell.name, recipe, trained=False), "settings": recipe.evaluate}
        needs = [f"{prefix}{cell.name}: {'unlearn' if cell.method else 'fine-tune'}"]
        if recipe.judge is not None and track == recipe.track:
            call["judge"] = models / GOLD if recipe.judge == GOLD else recipe.judge
            gold = f"{prefix}{GOLD}: fine-tune"
            needs += [gold] if recipe.judge == GOLD and gold not in needs else []
        what = "evaluate" if track == recipe.track else f"{track} questions"
        method = label_of(cell.method or cell.name)
        steps.append(Step(f"{prefix}{cell.name}: {what}", evaluate_step, {**call, "method": method}, needs))
    for name in list(gold_seeds(recipe, seed))[1:]:
        call = {"data": data_of(recipe, folder), "folder": log_folder(folder, name, recipe, recipe.track)}
        call |= {"model": model_config(models / name, recipe, trained=False), "settings": recipe.evaluate}
        steps.append(
            Step(f"{prefix}{name}: evaluate", evaluate_step, {**call, "method": GOLD}, [f"{prefix}{name}: fine-tune"])
        )
    return steps
