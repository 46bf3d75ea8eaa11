"""Train the models of the benchmark: original and gold, and unlearned models.

Each function fills one run folder (see `runs/run_folder.py`) and returns at once if that is finished. The command line
and the demo call the same functions; only model, corpus and settings differ.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import ModelConfig

from clear_dataset import load_clear
from clear_unlearning.model_card import write_model_card
from clear_unlearning.models import LoadedModel
from trainers import METHODS, is_own, label_of, own_place
from trainers.base import UnlearningConfig, UnlearningTrainer
from trainers.base.checkpoints import last_checkpoint
from trainers.base.rows import Rows
from trainers.base.stopping import Measure
from trainers.retain_finetune import RetainFinetuneTrainer

from .arguments import DataArguments, FinetuneArguments, SelectionArguments, SidesArguments, given
from .forget_request import chosen, marked, rows_of, with_names
from .hub.logs import dataset_identity
from .model_arguments import digests_of, load, model_settings, peft_config
from .runs.progress import ShownProgress
from .runs.provenance import hardware, how_made, next_lineage, place_digest, versions
from .runs.run_folder import Run, write_json
from .selection import check_selection, measures

Progress = Callable[[int, int], None]
# Fields of a training that change no weight: where it writes, and how it is watched.
WATCHED = ("output_dir", "use_cpu", "logging_dir", "report_to", "run_name", "disable_tqdm", "logging_steps",
           "logging_strategy", "log_level")  # fmt: skip


@dataclass
class FinetuneJob:
    """A fine-tuning: on `full` the model becomes the original, on a retain set the gold model.

    If people or rows are named in `data`, they are left out of `full`: the gold model of their unlearning.

    Attributes:
        folder: Run folder of the result.
        model: The model to start from.
        data: Where the rows are.
        rows: Which rows.
        training: Settings of the training.
        overwrite: Replace a result with other settings.
        forms: Questions that mean the same (see `Rows`).
    """

    folder: Path
    model: ModelConfig
    data: DataArguments
    rows: FinetuneArguments
    training: UnlearningConfig
    overwrite: bool = False
    forms: Sequence[str] = ()


@dataclass
class UnlearnJob:
    """An unlearning of the original model by one method.

    Attributes:
        folder: Run folder of the result.
        method: Key of METHODS, or one of one's own.
        model: The original model.
        data: Where the rows are, and the forget set.
        training: Settings of the method.
        sides: Modality of what is forgotten and of the rest, and held-out people; all rows by default.
        selection: What a condition to stop compares with.
        overwrite: Replace a result with other settings.
    """

    folder: Path
    method: str
    model: ModelConfig
    data: DataArguments
    training: UnlearningConfig
    sides: SidesArguments = field(default_factory=SidesArguments)
    selection: SelectionArguments = field(default_factory=SelectionArguments)
    overwrite: bool = False


def finetune(job: FinetuneJob, progress: Progress | None = None) -> None:
    """Fine-tune a model on rows.

    Args:
        job: What is trained.
        progress: Called with the number of steps done and in all; shown on stderr by default.
    """
    extra = {}
    if job.data.named:
        if not job.rows.dataset_config.startswith("full"):
            raise ValueError(
                f"dataset_config {job.rows.dataset_config} lacks a forget set already: name people or rows to leave "
                f"out of {job.data.training_config('full')}"
            )
        extra = {"forget": job.data.forgotten()}
    if job.rows.extra_config:
        source = job.rows.extra_dataset or f"{job.data.dataset}_extra"
        extra["extra_data"] = DataArguments(dataset=source, track=job.data.track).identity()
    settings = {
        "recipe": "finetune",
        "model": job.model.model_name_or_path,
        "dataset_config": job.rows.dataset_config,
        **given(job.rows, ("dataset_config", "extra_dataset")),
        **extra,
        **({"forms": list(job.forms)} if job.forms else {}),
        "data": job.data.identity(),
        "settings": changed(job.training),
        "loading": model_settings(job.model),
        "digests": digests_of(job.model),
    }
    run = Run(job.folder, settings, job.overwrite)
    if run.finished:
        return
    rows = Rows(training_rows(job.data, job.rows), job.training.seed, job.forms)
    what = f"{how_made(settings, job.model.model_name_or_path)} of `{job.data.dataset}`."
    _train(job, run, RetainFinetuneTrainer, load(job.model), {"retain": rows}, what, progress)


def unlearn(job: UnlearnJob, progress: Progress | None = None) -> None:
    """Make the original model forget the people of a forget set, or what is requested, by one row of METHODS.

    Args:
        job: What is unlearned.
        progress: Called with the number of steps done and in all; shown on stderr by default.

    Raises:
        ValueError: If there is no such method, or settings do not belong together.
    """
    METHODS.check(job.method)
    trainer, data = METHODS[job.method][0], job.data
    check_selection(job.selection, job.training.stop_when)
    if job.sides.held_out and "held_out" not in trainer.optional:
        raise ValueError(f"held_out is for scrub; {label_of(job.method)} does not use people that no model has seen")
    settings = {
        "recipe": "unlearn",
        "method": label_of(job.method),
        "model": job.model.model_name_or_path,
        "forget": data.forgotten(),
        "data": data.identity(),
        "settings": changed(job.training),
        "loading": model_settings(job.model),
        **given(job.sides),
        **given(job.selection),
        "digests": digests_of(job.model) | _places(job),
    }
    run = Run(job.folder, settings, job.overwrite)
    if run.finished:
        return
    loaded = load(job.model)
    sides = sides_of(data, job.sides, job.training.seed, trainer.needs_names)
    what = f"{how_made(settings, job.model.model_name_or_path)}."
    measured = measures(job.selection, data, loaded, job.training.per_device_train_batch_size)
    _train(job, run, trainer, loaded, sides, what, progress, measured)


def sides_of(data: DataArguments, wanted: SidesArguments, seed: int, named: bool = False) -> dict[str, Rows]:
    """Load all rows of an unlearning.

    Args:
        data: Where the rows are, and the forget set.
        wanted: Modality of either side, and held-out people.
        seed: Draws the caption questions.
        named: Rows to forget say whom they are about.
    """
    rows = rows_of(data, wanted, lambda config: load_clear(config, data.dataset))
    if named:
        rows["forget"] = with_names(rows["forget"], data, lambda config: load_clear(config, data.dataset))
    sides = {side: Rows([those], seed) for side, those in rows.items()}
    if wanted.held_out:  # of the same modality as what is forgotten
        unseen = {"image": ["people"], "text": ["people_text"], "both": ["people", "people_text"]}[wanted.modality]
        sides["held_out"] = Rows([load_clear(config, wanted.held_out) for config in unseen], seed)
    return sides


def _places(job: UnlearnJob) -> dict[str, str]:
    """Return the digests of the files and datasets that an unlearning reads besides its model and data."""
    digests = {"method": place_digest(own_place(job.method))} if is_own(job.method) else {}
    if job.selection.gold_log:
        digests["gold_log"] = place_digest(Path(job.selection.gold_log))
    for name, place in (("held_out", job.sides.held_out), ("selection", job.selection.selection)):
        if place:
            digests[name] = DataArguments(dataset=place).identity()
    return digests


def changed(training: UnlearningConfig) -> dict[str, Any]:
    """Return the settings of a training that are not the defaults of its Config."""
    default = type(training)(output_dir=training.output_dir, use_cpu=training.use_cpu)
    names = [f.name for f in fields(training) if f.init and f.name not in WATCHED]
    values = {name: getattr(training, name) for name in names if getattr(training, name) != getattr(default, name)}
    return json.loads(json.dumps(values, default=str))


def _train(
    job: FinetuneJob | UnlearnJob,
    run: Run,
    trainer_class: type[UnlearningTrainer],
    loaded: LoadedModel,
    sides: Mapping[str, Rows],
    what: str,
    progress: Progress | None,
    measured: Mapping[str, Measure] | None = None,
) -> None:
    """Train, resuming from the last checkpoint if there is one, and save model, processor, card and history.

    Raises:
        ValueError: If there are rows with photos for a model that takes none, or as the trainer says.
    """
    training = job.training
    pictured = [] if loaded.takes_images else [side for side, rows in sides.items() if rows.pictured()]
    if pictured:
        raise ValueError(
            f"{loaded.source} takes no images, and there are photos to {' and to '.join(pictured)}: give only "
            "rows of text (unlearn: --modality text --retain_modality text) or a vision-language model"
        )
    state = PartialState()
    state.wait_for_everyone()  # each has seen that the run is not finished
    with state.main_process_first():  # only it writes
        part = run.start() if state.is_main_process else run.part
    training.output_dir = str(part)
    progress = progress or ShownProgress("step", state.is_main_process and not training.disable_tqdm)
    training.disable_tqdm = True  # in favour of ours
    try:
        trainer = trainer_class(
            model=loaded.model,  # type: ignore[arg-type]
            args=training,
            sides=dict(sides),
            processing_class=loaded.processor,
            peft_config=peft_config(job.model, loaded.model, training.freeze_vision),  # type: ignore[arg-type]
            callbacks=[_Report(run, progress)],
            measures=measured,
        )
    except BaseException:
        if state.is_main_process:
            run.give_up()
        raise
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_checkpoint(part)
    trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
    trainer.save_model(str(part))
    if state.is_main_process:
        write_json(part / "history.json", trainer.state.log_history)
        write_model_card(
            part, run.folder.name, what, run.settings, loaded.takes_images, bool(job.model.use_peft), loaded.source
        )
        made = {"dataset": dataset_identity(job.data.dataset), "hardware": hardware(), "versions": versions()}
        run.finish(steps=trainer.state.global_step, lineage=next_lineage(run.settings), **made)
    state.wait_for_everyone()


class _Report(TrainerCallback):
    """Report the progress of a training and keep its time."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run, self.progress = run, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if isinstance(self.progress, ShownProgress):
            self.progress.note(logs or {})

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if isinstance(self.progress, ShownProgress):
            self.progress.close()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.run.note()


def training_rows(data: DataArguments, arguments: FinetuneArguments) -> list[Dataset]:
    """Return the rows of a fine-tuning, a dataset for each config."""
    rows = [load_clear(arguments.dataset_config, data.dataset)]
    if data.named:
        rows = [chosen(rows[0], [not here for here in marked(data, rows[0])])]
    if arguments.extra_config:
        source = arguments.extra_dataset or f"{data.dataset}_extra"
        rows += [load_clear(config, source) for config in arguments.extra_config.split(",")]
    return rows
