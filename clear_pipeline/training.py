"""One training of a recipe, into the folder of its run: several processes, checkpoints, model card."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from accelerate import PartialState
from transformers import PrinterCallback, TrainerCallback
from trl import ModelConfig

from clear_unlearning.model_card import write_model_card
from clear_unlearning.models import LoadedModel
from trainers import UnlearningConfig, UnlearningTrainer
from trainers.base.checkpoints import last_checkpoint
from trainers.base.rows import Rows
from trainers.base.stopping import Measure

from .adapters import peft_config
from .hub.logs import dataset_identity
from .runs.machine import hardware, versions
from .runs.run_folder import Run, write_json

Progress = Callable[[int, int], None]


def changed(training: UnlearningConfig) -> dict[str, Any]:
    """The settings of a training that are not the defaults of its Config."""
    default = type(training)(output_dir=training.output_dir, use_cpu=training.use_cpu)
    aside = ("output_dir", "use_cpu", "logging_dir", "report_to", "run_name")  # where it is watched changes no weight
    names = [f.name for f in fields(training) if f.init and f.name not in aside]
    values = {name: getattr(training, name) for name in names if getattr(training, name) != getattr(default, name)}
    return json.loads(json.dumps(values, default=str))


def train(
    run: Run,
    trainer_class: type[UnlearningTrainer],
    loaded: LoadedModel,
    model: ModelConfig,
    training: UnlearningConfig,
    sides: Mapping[str, Rows],
    what: str,
    source: str,
    progress: Progress | None,
    measures: Mapping[str, Measure] | None = None,
) -> None:
    """Trains, going on from the last checkpoint if there is one, and saves model, processor, card and history.

    Raises:
        ValueError: If there are rows with photos for a model that takes none, or as the trainer says.
    """
    pictured = [] if loaded.takes_images else [side for side, rows in sides.items() if rows.pictured()]
    if pictured:
        raise ValueError(
            f"{loaded.source} takes no images, and there are photos to {' and to '.join(pictured)}: give rows of text "
            "alone (unlearn: --modality text --retain_modality text) or a vision-language model"
        )
    state = PartialState()
    state.wait_for_everyone()  # each has seen that the run is not finished
    with state.main_process_first():  # it alone writes
        part = run.start() if state.is_main_process else run.part
    training.output_dir = str(part)
    training.disable_tqdm = training.disable_tqdm or progress is not None
    try:
        trainer = trainer_class(
            model=loaded.model,  # type: ignore[arg-type]
            args=training,
            sides=dict(sides),
            processing_class=loaded.processor,
            peft_config=peft_config(model, loaded.model),  # type: ignore[arg-type]
            callbacks=[_Report(run, progress)],
            measures=measures,
        )
    except ValueError:
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
            part, run.folder.name, what, run.settings, loaded.takes_images, bool(model.use_peft), loaded.source
        )
        made = {"dataset": dataset_identity(source), "hardware": hardware(), "versions": versions()}
        run.finish(steps=trainer.state.global_step, **made)
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
