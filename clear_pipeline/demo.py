"""The whole benchmark on small data: corpus, original and gold, the methods, scores, report."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from trl import ModelConfig

from clear_dataset import build, load_clear
from trainers import METHODS
from trainers.retain_finetune import RetainFinetuneConfig

from . import recipes
from .recipes import RETAIN_OF, DataArguments, FinetuneArguments, Progress
from .report import Entry, write_report
from .runs import Run, read_run
from .steps import Step, run_steps

DEMO_METHODS = ("retain_finetune", "gradient_ascent", "gradient_difference", "npo")


@dataclass(frozen=True)
class Preset:
    """How small models are trained on one corpus.

    Attributes:
        track: Track of the tasks.
        full: Config of the original's training rows, `{retain}` stands for `full` or the retain set.
        extra: Configs of `clear_extra` that are learnt beside them.
        finetune: Settings of original and gold, from scratch.
        methods: Settings of each method, chosen on another seed and on the selection set (docs/mini.md).
    """

    track: str
    extra: str | None
    finetune: dict[str, Any]
    methods: dict[str, dict[str, Any]]


MINI = Preset(
    track="image",
    extra="base",
    finetune={
        "num_train_epochs": 12,
        "learning_rate": 8e-3,
        "per_device_train_batch_size": 32,
        "muon": True,
        "freeze_vision": False,
        "warmup_steps": 0.05,
        "lr_scheduler_type": "linear",
        "save_steps": 100,
        "save_total_limit": 1,
        "logging_steps": 20,
    },
    methods={
        "retain_finetune": {"learning_rate": 4e-4, "num_train_epochs": 2, "per_device_train_batch_size": 8},
        "gradient_ascent": {"learning_rate": 2e-4, "num_train_epochs": 3, "per_device_train_batch_size": 8},
        "gradient_difference": {"learning_rate": 4e-4, "num_train_epochs": 6, "per_device_train_batch_size": 8},
        "npo": {"learning_rate": 4e-4, "num_train_epochs": 6, "per_device_train_batch_size": 8},
    },
)
PRESETS = {"mini": MINI}


@dataclass(frozen=True)
class DemoArguments:
    """The demo's dials."""

    output: Path
    corpus: str = "mini"
    methods: tuple[str, ...] = DEMO_METHODS
    forget: str = "forget10"
    seed: int = 0
    persons: int = 40
    photos: int = 8

    def __post_init__(self) -> None:
        """Checks the names."""
        if self.corpus not in PRESETS:
            raise ValueError(f"unknown corpus {self.corpus!r}; choose from {', '.join(PRESETS)}")
        for method in self.methods:
            if method not in METHODS:
                raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")


def corpus_step(folder: Path, persons: int, photos: int, seed: int, progress: Progress) -> None:
    """Builds the mini corpus into `<folder>/clear` and `<folder>/clear_extra`."""
    run = Run(folder, {"recipe": "corpus", "corpus": "mini", "persons": persons, "photos": photos, "seed": seed})
    if not run.finished:
        part = run.start()
        build(corpus="mini", output=part / "clear", persons=persons, photos=photos, seed=seed, overwrite=True)
        run.finish()


def base_step(folder: Path, data: DataArguments, extra: FinetuneArguments, seed: int, progress: Progress) -> None:
    """Writes the untrained model."""
    recipes.build_base(folder, data, extra, seed)


def finetune_step(
    folder: Path,
    model: Path,
    data: DataArguments,
    extra: FinetuneArguments,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Fine-tunes the original or the gold model."""
    training = RetainFinetuneConfig(output_dir=str(folder), **settings)
    recipes.finetune(folder, ModelConfig(model_name_or_path=str(model)), data, extra, training, progress)


def unlearn_step(
    folder: Path, model: Path, data: DataArguments, method: str, settings: dict[str, Any], progress: Progress
) -> None:
    """Unlearns by one method."""
    training = METHODS[method][1](output_dir=str(folder), **settings)
    recipes.unlearn(folder, method, ModelConfig(model_name_or_path=str(model)), data, training, progress)


def evaluate_step(
    folder: Path, model: Path, data: DataArguments, method: str | None, batch_size: int, progress: Progress
) -> None:
    """Scores one model."""
    recipes.evaluate(
        folder, ModelConfig(model_name_or_path=str(model)), data, method, batch_size=batch_size, progress=progress
    )


def demo_steps(arguments: DemoArguments) -> list[Step]:
    """The steps of the demo, in the order in which they are read."""
    preset, output = PRESETS[arguments.corpus], arguments.output
    data = DataArguments(dataset=str(output / "data/clear"), track=preset.track, forget=arguments.forget)
    full = FinetuneArguments(dataset_config=data.training_config("full"), extra_config=preset.extra)
    gold = replace(full, dataset_config=data.training_config(RETAIN_OF[arguments.forget]))
    seed = {"seed": arguments.seed}
    steps = [
        Step("corpus", corpus_step, {"folder": output / "data", "persons": arguments.persons,
                                     "photos": arguments.photos, **seed}),
        Step("base", base_step, {"folder": output / "models/base", "data": data, "extra": full, **seed}, ["corpus"]),
    ]  # fmt: skip
    for name, rows in (("original", full), ("gold", gold)):
        settings = {**preset.finetune, **seed}
        steps.append(
            Step(f"{name}: fine-tune", finetune_step,
                 {"folder": output / "models" / name, "model": output / "models/base", "data": data, "extra": rows,
                  "settings": settings}, ["base"])
        )  # fmt: skip
    for method in arguments.methods:
        settings = {**preset.methods[method], **seed, "save_strategy": "no", "logging_steps": 5}
        steps.append(
            Step(f"{method}: unlearn", unlearn_step,
                 {"folder": output / "models" / method, "model": output / "models/original", "data": data,
                  "method": method, "settings": settings}, ["original: fine-tune"])
        )  # fmt: skip
    for name in ("original", "gold", *arguments.methods):
        before = f"{name}: fine-tune" if name in ("original", "gold") else f"{name}: unlearn"
        steps.append(
            Step(f"{name}: evaluate", evaluate_step,
                 {"folder": output / "logs" / name, "model": output / "models" / name, "data": data,
                  "method": name, "batch_size": 32}, [before])
        )  # fmt: skip
    return steps


def run_demo(arguments: DemoArguments, console: Console) -> dict[str, Any]:
    """Runs the demo and writes its report.

    Raises:
        ValueError: If the output folder holds another run.
    """
    steps = demo_steps(arguments)
    run_steps(steps, console)
    output = arguments.output
    entries = []
    for name in ("original", "gold", *arguments.methods):
        record = read_run(output / "models" / name)
        if record is None:
            raise ValueError(f"{output / 'models' / name} is missing")
        entries.append(Entry(name, output / "logs" / name, record["seconds"], record["settings"]["settings"]))
    settings = {"corpus": arguments.corpus, "seed": arguments.seed, "forget": arguments.forget,
                "persons": arguments.persons, "photos": arguments.photos}  # fmt: skip
    source = str(output / "data/clear")
    return write_report(output, entries, lambda config: load_clear(config, source), arguments.forget, settings)
