"""From rows of people to a log, read top to bottom: base, finetune (original and gold), unlearn, evaluate.

Each recipe fills one folder (see `runs.py`) and returns at once if that is finished. The command line and the demo
call the same recipes; only model, corpus and settings differ.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset
from trl import ModelConfig

from clear_data.building.folder import read_meta
from clear_data.configs import RETAIN_OF
from clear_dataset import load_clear
from clear_unlearning.evaluate import FinishedRows, check_evaluation, evaluate_model
from clear_unlearning.mini_models import build_mini_llama, build_mini_llava
from clear_unlearning.processes import Processes
from clear_unlearning.tasks import QUESTION_TASKS, TASKS, Task
from evaluate_metrics.log_format import write_log
from trainers import METHODS, UnlearningConfig
from trainers.base.rows import Rows
from trainers.retain_finetune import RetainFinetuneTrainer

from .adapters import lora_settings
from .forget_request import ForgetRequest
from .hub.logs import dataset_identity
from .model_arguments import load, revision_setting
from .runs.lineage import lineage
from .runs.machine import versions
from .runs.run_folder import Run
from .selection import SelectionArguments, measures, selection_rows
from .token_level import Asked, TokenArguments, held_out_rows, write_tokens
from .training import changed, train

Progress = Callable[[int, int], None]


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

    def questions(self) -> tuple[tuple[Task, ...], str]:
        """The tasks of the track and where their rows are: text questions of a dataset with photos stand beside it."""
        beside = f"{self.dataset}_extra"
        if self.track == "text" and Path(beside, "retain_text").is_dir():
            return QUESTION_TASKS, beside
        return TASKS[self.track], self.dataset

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
        **revision_setting(model),
        "dataset_config": arguments.dataset_config,
        "extra_config": arguments.extra_config,
        "data": data.fingerprint(),
        "settings": changed(training),
        "lora": lora_settings(model),
    }
    run = Run(folder, settings)
    if run.finished:
        return
    loaded = load(model)
    rows = Rows(_training_rows(data, arguments), seed=training.seed)
    what = f"{model.model_name_or_path} fine-tuned on `{arguments.dataset_config}` of `{data.dataset}`."
    train(run, RetainFinetuneTrainer, loaded, model, training, {"retain": rows}, what, data.dataset, progress)


def unlearn(
    folder: Path,
    method: str,
    model: ModelConfig,
    data: DataArguments,
    training: UnlearningConfig,
    progress: Progress | None = None,
    request: ForgetRequest | None = None,
    selection: SelectionArguments | None = None,
) -> None:
    """Makes the original model forget the people of a forget set, or what is requested, by one row of METHODS."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    request, trainer = request or ForgetRequest(), METHODS[method][0]
    selection = selection or SelectionArguments()
    selection.check(training.stop_when)
    if request.held_out and "held_out" not in trainer.optional:
        raise ValueError(f"held_out is for scrub; {method} has no use for people that no model has seen")
    settings = {
        "recipe": "unlearn",
        "method": method,
        "model": model.model_name_or_path,
        **revision_setting(model),
        "forget": data.forget,
        "data": data.fingerprint(),
        "settings": changed(training),
        "lora": lora_settings(model),
        **request.settings(),
        **selection.settings(),
    }
    run = Run(folder, settings)
    if run.finished:
        return
    loaded = load(model)
    configs = [data.training_config(split) for split in (data.forget, RETAIN_OF[data.forget], "full")]
    sides = request.sides(data.dataset, configs, training.seed)
    what = f"{model.model_name_or_path} after unlearning {request.what(data.forget)} by `{method}`."
    measured = measures(selection, data, loaded, training.per_device_train_batch_size)
    train(run, trainer, loaded, model, training, sides, what, data.dataset, progress, measured)


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
    tokens: TokenArguments | None = None,
    processes: Processes | None = None,
    selection: str | None = None,
) -> None:
    """Scores a model on the tasks of its track and writes log and metadata, and what `tokens` asks for beside them.

    Of several processes each scores its share, and the first writes. With `selection`, a folder or Hub id, it is asked
    about the photos of the selection set there.
    """
    tokens = tokens or TokenArguments()
    tasks, source = data.questions()
    settings = {
        "recipe": "evaluate",
        "model": model.model_name_or_path,
        **revision_setting(model),
        "forget": data.forget,
        **({} if tasks is TASKS[data.track] else {"track": data.track}),
        "data": data.fingerprint(),
        "seed": seed,
        "max_examples": max_examples,
        "control": control,
        **tokens.settings(),
        **({"selection": selection} if selection else {}),
    }
    run = Run(folder, settings)
    if run.finished:
        return
    processes = processes or Processes()
    loaded = load(model, processes.device)
    check_evaluation(loaded, tasks, control)
    configs = dict.fromkeys(task.config.format(forget=data.forget) for task in tasks)
    read = selection_rows(data, selection) if selection else lambda config: load_clear(config, source)
    rows = {config: read(config) for config in configs}
    held_out = held_out_rows(tokens, data.dataset, data.track, rows)
    processes.first(run.start)  # now: nothing is left behind by what the user can mend
    finished = FinishedRows(run.part, processes.index)
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
        finished=finished,
        processes=processes,
    )
    if processes.index != 0:
        return
    asked = Asked(tasks, rows, data.forget, seed, control, batch_size)
    write_tokens(run.part, tokens, loaded, asked, log, held_out, model.dtype or "float32", progress)
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
        **({"selection": selection} if selection else {}),
        "dataset": dataset_identity(data.dataset),
        "lineage": lineage(str(model.model_name_or_path)),
        "versions": versions(),
    }
    write_log(run.part, log, meta)
    finished.delete()
    run.finish()


def _training_rows(data: DataArguments, arguments: FinetuneArguments) -> list[Dataset]:
    rows = [load_clear(arguments.dataset_config, data.dataset)]
    if arguments.extra_config:
        source = arguments.extra_dataset or f"{data.dataset}_extra"
        rows += [load_clear(config, source) for config in arguments.extra_config.split(",")]
    return rows
