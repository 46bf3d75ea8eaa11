"""From rows of people to a log, read top to bottom: base, finetune (original and gold), unlearn, evaluate.

Each recipe fills one folder (see `runs.py`) and returns at once if that is finished. The command line and the demo
call the same recipes; only model, corpus and settings differ.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import ModelConfig

from clear_data.configs import RETAIN_OF
from clear_data.folder import read_meta
from clear_dataset import load_clear
from clear_unlearning.evaluate import FinishedRows, check_evaluation, evaluate_model
from clear_unlearning.hub import write_model_card
from clear_unlearning.mini_models import build_mini_llama, build_mini_llava
from clear_unlearning.models import LoadedModel, load_model
from clear_unlearning.tasks import TASKS
from evaluate_metrics.log_format import write_log
from trainers import METHODS, UnlearningConfig, UnlearningTrainer
from trainers.checkpoints import last_checkpoint
from trainers.retain_finetune import RetainFinetuneTrainer
from trainers.rows import Rows

from .adapters import lora_settings, peft_config
from .forget_request import ForgetRequest
from .hub_logs import dataset_identity
from .lineage import lineage
from .runs import Run, write_json

Progress = Callable[[int, int], None]
FINISHED_ROWS = "finished_rows.jsonl"  # in the folder of an evaluation that goes on
LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "numpy")


@dataclass
class DataArguments:
    """Which rows."""

    dataset: str = field(default="clear", metadata={"help": "Folder or Hub id of the dataset."})
    track: str = field(default="image", metadata={"help": "image (CLEAR's six tasks) or text (TOFU's four)."})
    forget: str = field(default="forget10", metadata={"help": "forget01, forget05 or forget10."})

    def __post_init__(self) -> None:
        """Checks the names."""
        if self.track not in TASKS:
            raise ValueError(f"unknown track {self.track!r}; choose from {', '.join(TASKS)}")
        if self.forget not in RETAIN_OF:
            raise ValueError(f"unknown forget set {self.forget!r}; choose from {', '.join(RETAIN_OF)}")

    def training_config(self, split: str) -> str:
        """Config with the training rows of a split: on the image track those of photos and of text together."""
        return f"{split}+tofu" if self.track == "image" else split

    def fingerprint(self) -> str | None:
        """Fingerprint of a built folder, None for data on the Hub, whose commit is recorded instead."""
        return (read_meta(Path(self.dataset)) or {}).get("fingerprint")


@dataclass
class FinetuneArguments:
    """What a model is fine-tuned on."""

    dataset_config: str = field(default="full+tofu", metadata={"help": "full+tofu: original; retain90+tofu: gold."})
    extra_dataset: str | None = field(default=None, metadata={"help": "Further rows: their folder or Hub id ..."})
    extra_config: str | None = field(default=None, metadata={"help": "... and config, or several with commas."})


def build_base(folder: Path, data: DataArguments, extra: FinetuneArguments, seed: int) -> None:
    """Writes the untrained mini model of a track, its tokenizer trained on the training rows."""
    run = Run(folder, {"recipe": "base", "track": data.track, "data": data.fingerprint(), "seed": seed})
    if run.finished:
        return
    part = run.start()
    texts = [
        text
        for rows in _training_rows(data, extra)
        for column in ("question", "answer", "caption")
        if column in rows.column_names
        for text in rows[column]
        if text
    ]
    build = build_mini_llava if data.track == "image" else build_mini_llama
    build(part, texts, seed=seed)
    run.finish()


def finetune(
    folder: Path,
    model: ModelConfig,
    data: DataArguments,
    arguments: FinetuneArguments,
    training: UnlearningConfig,
    progress: Progress | None = None,
) -> None:
    """Fine-tunes a model on rows: on `full` it becomes the original, on a retain set the gold model."""
    settings = {
        "recipe": "finetune",
        "model": model.model_name_or_path,
        "dataset_config": arguments.dataset_config,
        "extra_config": arguments.extra_config,
        "data": data.fingerprint(),
        "settings": changed(training),
        "lora": lora_settings(model),
    }
    run = Run(folder, settings)
    if run.finished:
        return
    loaded = _load(model)
    rows = Rows(_training_rows(data, arguments), seed=training.seed)
    what = f"{model.model_name_or_path} fine-tuned on `{arguments.dataset_config}` of `{data.dataset}`."
    _train(run, RetainFinetuneTrainer, loaded, model, training, {"retain": rows}, what, progress)


def unlearn(
    folder: Path,
    method: str,
    model: ModelConfig,
    data: DataArguments,
    training: UnlearningConfig,
    progress: Progress | None = None,
    request: ForgetRequest | None = None,
) -> None:
    """Makes the original model forget the people of a forget set, or what is requested, by one row of METHODS."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    request, trainer = request or ForgetRequest(), METHODS[method][0]
    if request.held_out and "held_out" not in trainer.optional:
        raise ValueError(f"held_out is for scrub; {method} has no use for people that no model has seen")
    settings = {
        "recipe": "unlearn",
        "method": method,
        "model": model.model_name_or_path,
        "forget": data.forget,
        "data": data.fingerprint(),
        "settings": changed(training),
        "lora": lora_settings(model),
        **request.settings(),
    }
    run = Run(folder, settings)
    if run.finished:
        return
    loaded = _load(model)
    configs = [data.training_config(split) for split in (data.forget, RETAIN_OF[data.forget], "full")]
    sides = request.sides(data.dataset, configs, training.seed)
    what = f"{model.model_name_or_path} after unlearning {request.what(data.forget)} by `{method}`."
    _train(run, trainer, loaded, model, training, sides, what, progress)


def evaluate(
    folder: Path,
    model: ModelConfig,
    data: DataArguments,
    method: str | None = None,
    seed: int = 0,
    max_examples: int | None = None,
    batch_size: int = 16,
    control: str = "none",
    progress: Progress | None = None,
) -> None:
    """Scores a model on the tasks of its track and writes log and metadata."""
    settings = {
        "recipe": "evaluate",
        "model": model.model_name_or_path,
        "forget": data.forget,
        "data": data.fingerprint(),
        "seed": seed,
        "max_examples": max_examples,
        "control": control,
    }
    run = Run(folder, settings)
    if run.finished:
        return
    tasks = TASKS[data.track]
    loaded = _load(model)
    check_evaluation(loaded, tasks, control)
    configs = dict.fromkeys(task.config.format(forget=data.forget) for task in tasks)
    rows = {config: load_clear(config, data.dataset) for config in configs}
    part = run.start()  # nothing is left behind by what the user can mend
    log, about = evaluate_model(
        loaded,
        tasks,
        rows.__getitem__,
        data.forget,
        seed=seed,
        max_examples=max_examples,
        batch_size=batch_size,
        control=control,
        progress=progress,
        finished=FinishedRows(part / FINISHED_ROWS),
    )
    meta = {
        "schema": 1,
        "tasks": about,
        "model": model.model_name_or_path,
        "commit": loaded.commit,
        "method": method,
        "forget": data.forget,
        "seed": seed,
        "max_examples": max_examples,
        "control": control,
        "dataset": dataset_identity(data.dataset),
        "lineage": lineage(str(model.model_name_or_path)),
        "versions": {name: version(name) for name in LIBRARIES},
    }
    write_log(part, log, meta)
    (part / FINISHED_ROWS).unlink(missing_ok=True)
    run.finish()


def changed(training: UnlearningConfig) -> dict[str, Any]:
    """The settings of a training that are not the defaults of its Config."""
    default = type(training)(output_dir=training.output_dir, use_cpu=training.use_cpu)
    names = [f.name for f in fields(training) if f.init and f.name not in ("output_dir", "use_cpu", "logging_dir")]
    values = {name: getattr(training, name) for name in names if getattr(training, name) != getattr(default, name)}
    return json.loads(json.dumps(values, default=str))


def _training_rows(data: DataArguments, arguments: FinetuneArguments) -> list[Dataset]:
    rows = [load_clear(arguments.dataset_config, data.dataset)]
    if arguments.extra_config:
        source = arguments.extra_dataset or f"{data.dataset}_extra"
        rows += [load_clear(config, source) for config in arguments.extra_config.split(",")]
    return rows


def _load(model: ModelConfig) -> LoadedModel:
    if not model.model_name_or_path:
        raise ValueError("name a model: --model_name_or_path FOLDER_OR_HUB_ID")
    revision = None if model.model_revision == "main" else model.model_revision
    return load_model(model.model_name_or_path, revision=revision, dtype=model.dtype or "float32")


def _train(
    run: Run,
    trainer_class: type[UnlearningTrainer],
    loaded: LoadedModel,
    model: ModelConfig,
    training: UnlearningConfig,
    sides: Mapping[str, Rows],
    what: str,
    progress: Progress | None,
) -> None:
    """Trains, going on from the last checkpoint if there is one, and saves model, processor, card and history."""
    state = PartialState()
    state.wait_for_everyone()  # each has seen that the run is not finished
    with state.main_process_first():  # it alone writes
        part = run.start() if state.is_main_process else run.part
    training.output_dir = str(part)
    training.disable_tqdm = training.disable_tqdm or progress is not None
    trainer = trainer_class(
        model=loaded.model,  # type: ignore[arg-type]
        args=training,
        sides=dict(sides),
        processing_class=loaded.processor,
        peft_config=peft_config(model, loaded.model),  # type: ignore[arg-type]
        callbacks=[_Report(run, progress)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_checkpoint(part)
    trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
    trainer.save_model(str(part))
    if state.is_main_process:
        write_json(part / "history.json", trainer.state.log_history)
        write_model_card(
            part, run.folder.name, what, run.settings, loaded.takes_images, bool(model.use_peft), loaded.source
        )
        run.finish(steps=trainer.state.global_step)
    state.wait_for_everyone()


class _Report(TrainerCallback):
    """Passes a training's progress on and keeps its time."""

    def __init__(self, run: Run, progress: Progress | None) -> None:
        self.run, self.progress = run, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.progress:
            self.progress(state.global_step, state.max_steps)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.run.note()
