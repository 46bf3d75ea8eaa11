"""Evaluate a model: write its log, the log's metadata, and a side file with tokens and a judge's losses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import ModelConfig

from clear_dataset import load_clear
from clear_unlearning.batches import Encoder
from clear_unlearning.evaluate import FinishedRows, check_evaluation, evaluate_model
from clear_unlearning.models import LoadedModel, load_model, require_model
from clear_unlearning.processes import Processes
from clear_unlearning.tasks import Example, Task, controlled, task_example, training_example
from clear_unlearning.token_level import answer_tokens, judge_losses, token_fields
from evaluate_metrics.log_format import write_log
from evaluate_metrics.token_log import write_token_log

from .arguments import DataArguments, EvaluateArguments, TokenArguments, given
from .forget_request import questions_about
from .hub.logs import dataset_identity
from .model_arguments import digests_of, load, model_settings
from .runs.provenance import lineage, model_digest, versions
from .runs.run_folder import Run
from .selection import selection_rows

Progress = Callable[[int, int], None]
HELD_OUT = {"image": "people", "text": "people_text"}  # config of `clear_extra`, by track


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
    tasks, source = data.questions()
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
    check_evaluation(loaded, tasks, scoring.control)
    configs = dict.fromkeys(task.config.format(forget=data.forget) for task in tasks)
    if scoring.selection:
        read = selection_rows(data, scoring.selection)
    else:
        read = questions_about(data, lambda config: load_clear(config, source))
    rows = {config: read(config) for config in configs}
    held_out = held_out_rows(job.tokens, data.dataset, data.track, rows)
    processes.first(run.start)  # only now: a user's mistake leaves nothing behind
    finished = FinishedRows(run.part, processes.index)
    log, asked_of = evaluate_model(
        loaded,
        tasks,
        rows.__getitem__,
        data.forget,
        seed=scoring.seed,
        max_examples=scoring.max_examples,
        batch_size=scoring.batch_size,
        control=scoring.control,
        progress=progress,
        finished=finished,
        processes=processes,
    )
    if processes.index != 0:
        return
    asked = Asked(tasks, rows, data.forget, scoring.seed, scoring.control, scoring.batch_size)
    write_tokens(run.part, job.tokens, loaded, asked, log, held_out, job.model.dtype or "float32", progress)
    meta = {
        "schema": 1,
        "tasks": asked_of,
        "model": job.model.model_name_or_path,
        "model_digest": settings["digests"]["model"],
        "commit": loaded.commit,
        "method": job.method,
        "forget": data.forgotten(),
        "seed": scoring.seed,
        "max_examples": scoring.max_examples,
        "control": scoring.control,
        **selection,
        "template": Encoder(loaded.processor).about_template(asked.examples(tasks[0], 1)[0]),
        "dataset": dataset_identity(data.dataset),
        "lineage": about,
        "versions": versions(),
    }
    write_log(run.part, log, meta)
    finished.delete()
    run.finish()


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


@dataclass(frozen=True)
class Asked:
    """The questions of an evaluation.

    Attributes:
        tasks: Rows of `TASKS`.
        rows: The rows of each config.
        forget: Forget set.
        seed: Draws the caption questions.
        control: Row of CONTROLS: what was done to the images.
        batch_size: Examples at a time.
    """

    tasks: Sequence[Task]
    rows: Mapping[str, Dataset]
    forget: str
    seed: int
    control: str
    batch_size: int

    def examples(self, task: Task, count: int) -> list[Example]:
        """Return the first questions of a task."""
        rows: Any = self.rows[task.config.format(forget=self.forget)]
        return [controlled(task_example(task, rows[i], i, self.seed), self.control) for i in range(count)]


def held_out_rows(
    arguments: TokenArguments, dataset: str, track: str, rows: Mapping[str, Dataset]
) -> tuple[dict[str, str], Dataset] | None:
    """Load rows about people that no model was trained on, and their source; None if there are none or not needed.

    Args:
        arguments: The flags.
        dataset: Dataset of the evaluation; its held-out people are in `<dataset>_extra`.
        track: `image` or `text`.
        rows: Those of the evaluation, by config.

    Raises:
        FileNotFoundError, ValueError: If the judge or the dataset does not exist, or a held-out person is one of the
            forget or retain people.
    """
    if arguments.judge:
        require_model(arguments.judge)
    if not arguments.token_level:
        return None
    config = arguments.holdout_config or HELD_OUT[track]
    source = arguments.holdout or f"{dataset}_extra"
    if not (arguments.holdout or arguments.holdout_config or (Path(source) / config).is_dir()):
        return None
    held_out = load_clear(config, source)
    learnt = {name for content in rows.values() if "name" in content.column_names for name in content["name"]}
    known = sorted(learnt & set(held_out["name"])) if "name" in held_out.column_names else []
    if known:
        raise ValueError(
            f"{source}, {config}: held-out people must be unknown to every model, "
            f"but {', '.join(known[:3])} are in the training data"
        )
    return {"dataset": source, "config": config}, held_out


def write_tokens(
    folder: Path,
    arguments: TokenArguments,
    loaded: LoadedModel,
    asked: Asked,
    log: Mapping[str, Any],
    held_out: tuple[dict[str, str], Dataset] | None,
    dtype: Any = "float32",
    progress: Progress | None = None,
) -> None:
    """Write the side file of a log.

    Args:
        folder: Folder of the log.
        arguments: The flags.
        loaded: The model that was evaluated.
        asked: Its questions.
        log: Its answers.
        held_out: From `held_out_rows`.
        dtype: Precision of the judge.
        progress: Called with the number of examples done and in all, for each part.

    Raises:
        ValueError: If a model gives NaN.
    """
    if not given(arguments):
        return
    tasks: dict[str, dict[str, Any]] = {task.key: {} for task in asked.tasks}
    content: dict[str, Any] = {"schema": 1, "tasks": tasks, "judge": arguments.judge}
    judge = load_model(arguments.judge, dtype=dtype, device=str(loaded.model.device)) if arguments.judge else None
    for task in asked.tasks:
        said = [texts[1] for texts in log[task.key]["generated_text"].values()]
        examples = asked.examples(task, len(said))
        if arguments.token_level:
            tasks[task.key] |= _token_level(loaded, examples, asked.batch_size, progress)
        if judge is not None:
            losses = judge_losses(judge, examples, said, asked.batch_size, progress)
            tasks[task.key]["judge_losses"] = {str(i): row for i, row in enumerate(losses)}
    if held_out is not None:
        content["held_out"] = _held_out(loaded, asked, *held_out, progress)
    write_token_log(folder, content)


def _held_out(
    loaded: LoadedModel,
    asked: Asked,
    source: Mapping[str, str],
    rows: Any,
    progress: Progress | None,
) -> dict[str, Any]:
    """Score people that the model has never seen, with the questions of the forget set."""
    examples = [
        replace(controlled(training_example(row, i, asked.seed), asked.control), person=row.get("name"))
        for i, row in enumerate(rows)
    ]
    return {**source, **_token_level(loaded, examples, asked.batch_size, progress)}


def _token_level(
    loaded: LoadedModel, examples: Sequence[Example], batch_size: int, progress: Progress | None
) -> dict[str, Any]:
    """Return the fields of `token_log.py` for the right answers of some examples."""
    return {
        "answer": {str(i): example.answer for i, example in enumerate(examples)},
        "person": [example.person for example in examples],
        **token_fields(answer_tokens(loaded, examples, batch_size, progress)),
    }
