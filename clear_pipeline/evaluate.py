"""Evaluate a model: its log, the log's metadata, and what stands beside them: tokens and a judge's losses.

`evaluate` fills a run folder, for the command; `evaluate_model` returns a log, for a program.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel
from trl import ModelConfig

from clear_unlearning.evaluate import FinishedRows
from clear_unlearning.models import LoadedModel, load_model, load_processor
from clear_unlearning.processes import Processes
from evaluate_metrics.log_format import Log, write_log

from .arguments import DataArguments, EvaluateArguments, TokenArguments, given
from .model_arguments import digests_of, load, model_settings
from .questions import Progress, load_questions, score_questions
from .runs.provenance import lineage, model_digest
from .runs.run_folder import Run


@dataclass
class EvaluateJob:
    """An evaluation of one model.

    Attributes:
        folder: Run folder of the log.
        model: The model.
        data: Where the rows are, and the forget set.
        method: Recorded in the log: a key of METHODS, `original` or `gold`; None if unknown.
        scoring: How it is scored.
        tokens: What is written in addition to the log.
        overwrite: Replace a log with other settings.
    """

    folder: Path
    model: ModelConfig
    data: DataArguments
    method: str | None = None
    scoring: EvaluateArguments = field(default_factory=EvaluateArguments)
    tokens: TokenArguments = field(default_factory=TokenArguments)
    overwrite: bool = False


def evaluate(
    job: EvaluateJob,
    progress: Progress | None = None,
    processes: Processes | None = None,
    loaded: LoadedModel | None = None,
) -> None:
    """Score a model on the tasks of its track and write log, metadata and side file.

    Args:
        job: What is scored. With `scoring.selection` the photos of the selection set are asked.
        progress: Called with the number of rows done and in all.
        processes: If there are several, each scores its share, and the first writes.
        loaded: The model, if it is in memory already; it is loaded as `job.model` says otherwise.
    """
    data, scoring = job.data, job.scoring
    selection = {"selection": scoring.selection} if scoring.selection else {}
    settings = {
        "recipe": "evaluate",
        "model": job.model.model_name_or_path,
        "forget": data.forgotten(),
        "track": data.track,
        "data": data.identity(),
        "loading": model_settings(job.model),
        **given(scoring, ("output", "batch_size")),
        **given(job.tokens),
        "digests": digests_of(job.model) | _places(job),
    }
    run = Run(job.folder, settings, job.overwrite)
    if run.finished:
        return
    about = lineage(str(job.model.model_name_or_path))
    check_forgotten(str(job.model.model_name_or_path), about.get("forgotten"), data)
    processes = processes or Processes()
    loaded = loaded or load(job.model, processes.device)
    questions = load_questions(loaded, data, scoring, job.tokens)
    processes.first(run.start)  # only now: a user's mistake leaves nothing behind
    finished = FinishedRows(run.part, processes.index)
    made = {
        "model": job.model.model_name_or_path,
        "model_digest": settings["digests"]["model"],
        "method": job.method,
        "lineage": about,
        **selection,
    }
    dtype = job.model.dtype or "float32"
    log = score_questions(loaded, questions, made, job.tokens, dtype, progress, finished, processes)
    if log is None:
        return
    write_log(run.part, log.tasks, log.meta, log.tokens)
    finished.delete()
    run.finish()


def evaluate_model(
    model: PreTrainedModel | PeftModel | str | Path,
    processor: Any = None,
    dataset: str | Path = "clear",
    forget: str | Sequence[str] = "forget10",
    *,
    track: str | None = None,
    seed: int = 0,
    max_examples: int | None = None,
    batch_size: int = 16,
    control: str = "none",
    floor: str = "none",
    token_level: bool = False,
    judge: str | None = None,
    progress: Progress | None = None,
) -> Log:
    """Ask a model everything that `clear-unlearning evaluate` asks, and return its log.

    Args:
        model: A model in memory, with or without an adapter; or its folder or Hub id.
        processor: Its processor, or its tokenizer if it takes no images; by default the model's own.
        dataset: Folder that `clear_dataset.build` wrote, or Hub id.
        forget: What was to be forgotten: `forget01`, `forget05`, `forget10`, or a list of people by their names.
        track: `image` (CLEAR's six tasks) or `text` (TOFU's four); by default what the model can take.
        seed: Draws the caption question of each row.
        max_examples: Ask only about the first rows of each task.
        batch_size: Examples at a time; each brings all its answers.
        control: What can be answered without looking: `blank` (grey images) or `text` (no image).
        floor: What a method must beat: `icu` (told to pretend ignorance) or `eco` (disturbed prompts).
        token_level: Keep each token of the right answers, for extraction and membership.
        judge: Folder or Hub id of a model that judges how fluent the answers are, usually gold.
        progress: Called with the number of rows done and in all.

    Returns:
        The log, for `score_log`. Of a model in memory it does not say how the model was made.

    Raises:
        FileNotFoundError: If there is no such model or dataset.
        TypeError: If the model is neither in memory nor a place.
        ValueError: If a value is not valid, or the model takes no images and the track shows some.
    """
    scoring = EvaluateArguments(
        max_examples=max_examples, batch_size=batch_size, seed=seed, control=control, floor=floor
    )
    tokens = TokenArguments(token_level=token_level, judge=judge)
    asked = {"forget": forget} if isinstance(forget, str) else {"forget_people": ",".join(forget)}
    data = DataArguments(dataset=str(dataset), track=track or "image", **asked)
    made: dict[str, Any] = {"model_digest": None, "method": None, "lineage": {}}
    if isinstance(model, str | Path):
        loaded = load_model(str(model))
        loaded.processor = processor or loaded.processor
        made |= {"model_digest": model_digest(str(model)), "lineage": lineage(str(model))}
    elif isinstance(model, PreTrainedModel | PeftModel):  # an adapter is in the layers of its base
        network: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        loaded = LoadedModel(network, processor or load_processor(model), str(model.name_or_path), None)
    else:
        raise TypeError(f"model must be a model in memory, or its folder or Hub id, not a {type(model).__name__}")
    data.track = track or ("image" if loaded.takes_images else "text")
    check_forgotten(loaded.source, made["lineage"].get("forgotten"), data)
    questions = load_questions(loaded, data, scoring, tokens)
    training = loaded.model.training
    loaded.model.eval()
    try:
        made["model"] = loaded.source
        log = score_questions(loaded, questions, made, tokens, loaded.model.dtype, progress)
    finally:
        loaded.model.train(training)
    assert log is not None  # of this one process
    return log


def check_forgotten(model: str, forgotten: str | None, data: DataArguments) -> None:
    """Make sure that a model is asked about what it forgot, or never learnt.

    Raises:
        ValueError: If its run says that this was something else.
    """
    if forgotten not in (None, data.forgotten()):
        raise ValueError(
            f"{model} was made without {forgotten}, and would be asked about {data.forgotten()}: give evaluate the "
            "same --forget, --forget_people or --forget_dataset as its training"
        )


def _places(job: EvaluateJob) -> dict[str, str]:
    """Return the digests of the judge and of the datasets that an evaluation reads besides its own."""
    digests = {"judge": model_digest(job.tokens.judge)} if job.tokens.judge else {}
    for name, place in (("holdout", job.tokens.holdout), ("selection", job.scoring.selection)):
        if place:
            digests[name] = DataArguments(dataset=place).identity()
    return digests
