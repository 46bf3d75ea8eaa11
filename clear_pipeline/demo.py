"""The whole benchmark on small data: corpus, original and gold, the methods, scores, report."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from trl import ModelConfig

from clear_data.configs import RETAIN_OF
from clear_data.folder import read_meta
from clear_data.mini import Dials
from clear_dataset import CONFIGS, EXTRA_CONFIGS, build, build_text, load_clear
from trainers import METHODS
from trainers.retain_finetune import RetainFinetuneConfig

from . import recipes
from .presets import PRESETS, Preset
from .recipes import DataArguments, FinetuneArguments, Progress
from .report import Entry, write_report
from .runs import Run, read_run, write_json
from .steps import Step, run_steps

DEMO_METHODS = ("retain_finetune", "gradient_ascent", "gradient_difference", "npo")
DIALS_FILE = "demo.json"


@dataclass(frozen=True)
class DemoArguments:
    """The demo's dials.

    Attributes:
        output: Folder of the run.
        corpus: A key of PRESETS.
        tofu_dir: Folder with TOFU's texts, for that corpus.
        authors: Take so many authors of each side of TOFU; all by default.
        methods: Rows of METHODS.
        forget: Forget set.
        seed: Draws corpus, weights and batches.
        persons: Fictitious people of the mini corpus.
        photos: Photos of each.
    """

    output: Path
    corpus: str = "mini"
    tofu_dir: Path | None = None
    authors: int | None = None
    methods: tuple[str, ...] = DEMO_METHODS
    forget: str = "forget10"
    seed: int = 0
    persons: int = 40
    photos: int = 8

    def __post_init__(self) -> None:
        """Checks the names."""
        if self.corpus not in PRESETS:
            raise ValueError(f"unknown corpus {self.corpus!r}; choose from {', '.join(PRESETS)}")
        if self.corpus == "tofu" and self.tofu_dir is None:
            raise ValueError(
                "the corpus tofu needs --tofu_dir FOLDER with qa.jsonl and the two *_perturbed.json files"
            )
        for method in self.methods:
            if method not in self.preset.methods:
                raise ValueError(f"unknown method {method!r}; choose from {', '.join(self.preset.methods)}")
        self.data()  # checks the forget set
        if self.corpus == "mini":
            Dials(self.persons, self.photos, self.seed)

    @property
    def preset(self) -> Preset:
        """How models are trained on this corpus."""
        return PRESETS[self.corpus]

    def data(self) -> DataArguments:
        """Where the rows will be."""
        folder = self.output / "data" / self.preset.folder
        return DataArguments(dataset=str(folder), track=self.preset.track, forget=self.forget)

    def settings(self) -> dict[str, Any]:
        """What the report says of the run."""
        size = {"persons": self.persons, "photos": self.photos} if self.corpus == "mini" else {"authors": self.authors}
        return {"corpus": self.corpus, "forget": self.forget, "seed": self.seed, **size}

    def names(self) -> tuple[str, ...]:
        """The models of the report."""
        return ("original", "gold", *self.methods)


def corpus_step(arguments: DemoArguments, progress: Progress) -> None:
    """Builds the corpus into `<output>/data`."""
    settings = {name: value for name, value in arguments.settings().items() if name != "forget"}
    run = Run(arguments.output / "data", {"recipe": "corpus", **settings})
    if run.finished:
        return
    folder = run.start() / arguments.preset.folder
    if arguments.tofu_dir is None:
        done = itertools.count(1)
        build(
            "mini", folder, arguments.persons, arguments.photos, arguments.seed, overwrite=True,
            written=lambda config: progress(next(done), len(CONFIGS) + len(EXTRA_CONFIGS)),
        )  # fmt: skip
    else:
        build_text(arguments.tofu_dir, folder, arguments.authors, overwrite=True)
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
    folder: Path,
    model: Path,
    data: DataArguments,
    method: str,
    batch_size: int,
    progress: Progress,
    control: str = "none",
) -> None:
    """Scores one model."""
    loaded = ModelConfig(model_name_or_path=str(model))
    recipes.evaluate(folder, loaded, data, method, batch_size=batch_size, control=control, progress=progress)


def demo_steps(arguments: DemoArguments) -> list[Step]:
    """The steps of the demo, in the order in which they are read."""
    preset, output, data = arguments.preset, arguments.output, arguments.data()
    models, logs, seed = output / "models", output / "logs", arguments.seed
    extra = {"extra_config": preset.extra_config, "extra_dataset": f"{data.dataset}{preset.extra_suffix}"}
    full = FinetuneArguments(dataset_config=data.training_config("full"), **extra)
    gold = FinetuneArguments(dataset_config=data.training_config(RETAIN_OF[arguments.forget]), **extra)
    steps = [
        Step("corpus", corpus_step, {"arguments": arguments}),
        Step("base", base_step, {"data": data, "folder": models / "base", "extra": full, "seed": seed}, ["corpus"]),
    ]
    for name, rows in (("original", full), ("gold", gold)):
        call = {"data": data, "folder": models / name, "model": models / "base", "extra": rows}
        settings = {**preset.finetune, "seed": seed}
        steps.append(Step(f"{name}: fine-tune", finetune_step, {**call, "settings": settings}, ["base"]))
    for method in arguments.methods:
        call = {"data": data, "folder": models / method, "model": models / "original", "method": method}
        settings = {**preset.unlearn, **preset.methods[method], "seed": seed}
        steps.append(Step(f"{method}: unlearn", unlearn_step, {**call, "settings": settings}, ["original: fine-tune"]))
    for name in arguments.names():
        call = {"data": data, "folder": logs / name, "model": models / name, "method": name}
        needs = [f"{name}: {'unlearn' if name in arguments.methods else 'fine-tune'}"]
        steps.append(Step(f"{name}: evaluate", evaluate_step, {**call, "batch_size": preset.evaluate_batch}, needs))
    return steps


def run_demo(arguments: DemoArguments, console: Console) -> dict[str, Any]:
    """Runs the demo and writes its report.

    Raises:
        ValueError: If the output folder holds another run.
    """
    run_steps(demo_steps(arguments), console)
    dials = {"corpus": arguments.corpus, "methods": list(arguments.methods), **arguments.settings()}
    write_json(arguments.output / DIALS_FILE, dials)
    return report_of(arguments.output)


def report_of(output: Path) -> dict[str, Any]:
    """Writes the report of a finished demo from its logs.

    Raises:
        FileNotFoundError: If the folder holds no finished demo.
    """
    path = output / DIALS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{output} holds no finished demo ({DIALS_FILE} is missing)")
    dials = json.loads(path.read_text())
    methods = dials.pop("methods")
    entries = []
    for name in ("original", "gold", *methods):
        record = read_run(output / "models" / name)
        if record is None:
            raise FileNotFoundError(f"{output / 'models' / name} is missing")
        entries.append(Entry(name, output / "logs" / name, record["seconds"], record["settings"]["settings"]))
    source = output / "data" / PRESETS[dials["corpus"]].folder
    made = (read_meta(source) or {}).get("made")
    return write_report(
        output, entries, lambda config: load_clear(config, source), dials["forget"], dials, [made] if made else []
    )
