"""The questions of an evaluation, with their rows, and the log of a model that is asked them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from clear_dataset import load_clear
from clear_unlearning.batches import Encoder
from clear_unlearning.evaluate import FinishedRows, check_evaluation, score_tasks
from clear_unlearning.floors import ECO, ICU, Floor, TrainingRows
from clear_unlearning.models import LoadedModel, load_model, require_model
from clear_unlearning.processes import Processes
from clear_unlearning.tasks import Example, Task, controlled, task_example, training_example
from clear_unlearning.token_level import answer_tokens, judge_losses, token_fields
from evaluate_metrics.log_format import TOKENS_NAME, Log
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.token_log import token_log_of

from .arguments import DataArguments, EvaluateArguments, SidesArguments, TokenArguments, given
from .forget_request import questions_about, rows_of
from .hub.logs import dataset_identity
from .runs.provenance import versions

Progress = Callable[[int, int], None]
HELD_OUT = {"image": "people", "text": "people_text"}  # config of `clear_extra`, by track


@dataclass(frozen=True)
class Questions:
    """What a model is asked.

    Attributes:
        data: Where the rows are, and the forget set.
        scoring: How the model is scored.
        tasks: Rows of `TASKS`.
        rows: The rows of each config.
        held_out: Dataset and config of people whom no model was trained on, and their rows; None without them.
        floor: What is done to questions or model at inference.
    """

    data: DataArguments
    scoring: EvaluateArguments
    tasks: Sequence[Task]
    rows: Mapping[str, Dataset]
    held_out: tuple[dict[str, str], Dataset] | None
    floor: Floor = field(default_factory=Floor)

    def examples(self, task: Task, count: int) -> list[Example]:
        """Return the first questions of a task."""
        rows: Any = self.rows[task.config.format(forget=self.data.forget)]
        seed, control = self.scoring.seed, self.scoring.control
        return [controlled(task_example(task, rows[i], i, seed), control) for i in range(count)]

    def unknown_people(self) -> list[Example]:
        """Return the questions of training about the held-out people; none without them."""
        seed, control = self.scoring.seed, self.scoring.control
        rows: Any = [] if self.held_out is None else self.held_out[1]
        return [
            replace(controlled(training_example(row, i, seed), control), person=row.get("name"))
            for i, row in enumerate(rows)
        ]


def load_questions(
    loaded: LoadedModel, data: DataArguments, scoring: EvaluateArguments, tokens: TokenArguments
) -> Questions:
    """Load what a model is asked. Nothing is written, so that a user's mistake leaves nothing behind.

    Raises:
        FileNotFoundError, ValueError: If a dataset or the judge does not exist, a task does not fit the model, or a
            held-out person is one of the forget or retain people.
    """
    tasks, source = data.questions()
    check_evaluation(loaded, tasks, scoring.control)
    configs = dict.fromkeys(task.config.format(forget=data.forget) for task in tasks)
    if scoring.selection:
        from .selection import selection_rows

        read = selection_rows(data, scoring.selection)
    else:
        read = questions_about(data, lambda config: load_clear(config, source))
    rows = {config: read(config) for config in configs}
    held_out = _held_out_rows(tokens, data, rows)
    return Questions(data, scoring, tasks, rows, held_out, _floor(data, scoring, tokens, tasks, rows))


def _floor(
    data: DataArguments, scoring: EvaluateArguments, tokens: TokenArguments, tasks: Sequence[Task],
    rows: Mapping[str, Dataset],
) -> Floor:  # fmt: skip
    """Return what is done to questions or model at inference.

    Raises:
        ValueError: If the names that it needs are not in the rows, or the flags do not go together.
    """
    if scoring.floor == "icu":
        config = next(task.config.format(forget=data.forget) for task in tasks if task.key == FORGET_TASK)
        names = rows[config]["name"] if "name" in rows[config].column_names else []
        if not any(names):
            raise ValueError(
                f"floor icu names the people to forget, and rows of {config} have no `name`; see floor eco"
            )
        return ICU(list(dict.fromkeys(filter(None, names))))
    if scoring.floor == "eco":
        if tokens.token_level:
            raise ValueError("floor eco disturbs the questions of a log, not those of --token_level; leave that out")
        sides = rows_of(data, SidesArguments(), lambda config: load_clear(config, data.dataset))
        forget, retain = (TrainingRows(sides[side], scoring.seed) for side in ("forget", "retain"))
        return ECO(forget, retain, scoring.eco_noise, scoring.eco_dimensions, scoring.seed, scoring.batch_size)
    return Floor()


def _held_out_rows(
    tokens: TokenArguments, data: DataArguments, rows: Mapping[str, Dataset]
) -> tuple[dict[str, str], Dataset] | None:
    """Load rows about people whom no model was trained on, and their source; None if there are none or not needed.

    Args:
        tokens: The flags.
        data: Of the evaluation; its held-out people are in `<dataset>_extra`.
        rows: Those of the evaluation, by config.

    Raises:
        FileNotFoundError, ValueError: If the judge or the dataset does not exist, or a held-out person is one of the
            forget or retain people.
    """
    if tokens.judge:
        require_model(tokens.judge)
    if not tokens.token_level:
        return None
    config = tokens.holdout_config or HELD_OUT[data.track]
    source = tokens.holdout or f"{data.dataset}_extra"
    if not (tokens.holdout or tokens.holdout_config or (Path(source) / config).is_dir()):
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


def score_questions(
    loaded: LoadedModel,
    questions: Questions,
    made: Mapping[str, Any],
    tokens: TokenArguments,
    dtype: Any,
    progress: Progress | None = None,
    finished: FinishedRows | None = None,
    processes: Processes | None = None,
) -> Log | None:
    """Score a model.

    Args:
        loaded: The model.
        questions: What it is asked.
        made: What the metadata say of the model.
        tokens: What is written in addition to the log.
        dtype: Precision of the judge.
        progress: Called with the number of rows done and in all.
        finished: Where the scores of finished rows are kept.
        processes: If there are several, each scores its share.

    Returns:
        The log; None in all processes but the first.

    Raises:
        ValueError: If the model gives NaN.
    """
    data, scoring = questions.data, questions.scoring
    log, asked_of = score_tasks(
        loaded,
        questions.tasks,
        questions.rows.__getitem__,
        data.forget,
        seed=scoring.seed,
        max_examples=scoring.max_examples,
        batch_size=scoring.batch_size,
        control=scoring.control,
        floor=questions.floor,
        progress=progress,
        finished=finished,
        processes=processes,
    )
    if processes is not None and processes.index != 0:
        return None
    meta = {
        "schema": 1,
        "tasks": asked_of,
        "commit": loaded.commit,
        "forget": data.forgotten(),
        "seed": scoring.seed,
        "max_examples": scoring.max_examples,
        "control": scoring.control,
        "template": Encoder(loaded.processor).about_template(questions.examples(questions.tasks[0], 1)[0]),
        "dataset": dataset_identity(data.dataset),
        "versions": versions(),
        **({"floor": questions.floor.about()} if questions.floor.about() else {}),
        **made,
    }
    return Log(log, meta, _tokens_of(loaded, questions, tokens, log, dtype, progress) if given(tokens) else None)


def _tokens_of(
    loaded: LoadedModel,
    questions: Questions,
    arguments: TokenArguments,
    log: Mapping[str, Any],
    dtype: Any,
    progress: Progress | None,
) -> dict[str, Any]:
    """Return what stands beside a log.

    Args:
        loaded: The model that was evaluated.
        questions: What it was asked.
        arguments: What is wanted.
        log: Its answers.
        dtype: Precision of the judge.
        progress: Called with the number of examples done and in all, for each part.

    Raises:
        ValueError: If a model gives NaN.
    """
    size = questions.scoring.batch_size
    tasks: dict[str, dict[str, Any]] = {task.key: {} for task in questions.tasks}
    content: dict[str, Any] = {"schema": 1, "tasks": tasks, "judge": arguments.judge}
    judge = load_model(arguments.judge, dtype=dtype, device=str(loaded.model.device)) if arguments.judge else None
    for task in questions.tasks:
        said = [texts[1] for texts in log[task.key]["generated_text"].values()]
        examples = questions.examples(task, len(said))
        if arguments.token_level:
            asked = [questions.floor.asked(example) for example in examples]
            tasks[task.key] |= _token_level(loaded, asked, size, progress)
        if judge is not None:
            losses = judge_losses(judge, examples, said, size, progress)
            tasks[task.key]["judge_losses"] = {str(i): row for i, row in enumerate(losses)}
    if questions.held_out is not None:
        content["held_out"] = {
            **questions.held_out[0],
            **_token_level(loaded, list(map(questions.floor.asked, questions.unknown_people())), size, progress),
        }
    token_log_of(TOKENS_NAME, content)
    return content


def _token_level(
    loaded: LoadedModel, examples: Sequence[Example], batch_size: int, progress: Progress | None
) -> dict[str, Any]:
    """Return the fields of `token_log.py` for the right answers of some examples."""
    return {
        "answer": {str(i): example.answer for i, example in enumerate(examples)},
        "person": [example.person for example in examples],
        **token_fields(answer_tokens(loaded, examples, batch_size, progress)),
    }
