"""What `evaluate --token_level` and `--judge` add to a log: tokens, held-out people, a judge's losses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from clear_dataset import load_clear
from clear_unlearning.models import LoadedModel, load_model, require_model
from clear_unlearning.tasks import Example, Task, controlled, task_example, training_example
from clear_unlearning.token_level import answer_tokens, judge_losses, token_fields
from evaluate_metrics.token_log import write_token_log

Progress = Callable[[int, int], None]
HELD_OUT = {"image": "people", "text": "people_text"}  # config of `clear_extra`, by track


@dataclass
class TokenArguments:
    """What is written beside the log."""

    token_level: bool = field(
        default=False, metadata={"help": "Write each token of the right answers, for extraction and membership."}
    )
    judge: str | None = field(
        default=None,
        metadata={"help": "Model that judges how fluent the answers are, by habit gold: folder or Hub id."},
    )
    holdout: str | None = field(
        default=None,
        metadata={"help": "Dataset with people whom no model was trained on (the dataset's own <dataset>_extra)."},
    )
    holdout_config: str | None = field(
        default=None, metadata={"help": "Its config (people, or people_text on the text track)."}
    )

    def __post_init__(self) -> None:
        """Checks that the flags belong together."""
        if not self.token_level and (self.holdout or self.holdout_config):
            raise ValueError("--holdout says nothing without --token_level")

    def settings(self) -> dict[str, Any]:
        """What a run records of it: nothing of what was not asked for."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Asked:
    """How a model was asked.

    Attributes:
        tasks: Rows of `TASKS`.
        rows: The rows of each config.
        forget: Forget set.
        seed: Draws the caption questions.
        control: What was done to the images.
        batch_size: Examples at a time.
    """

    tasks: Sequence[Task]
    rows: Mapping[str, Dataset]
    forget: str
    seed: int
    control: str
    batch_size: int

    def examples(self, task: Task, count: int) -> list[Example]:
        """The first questions of a task."""
        rows: Any = self.rows[task.config.format(forget=self.forget)]
        return [controlled(task_example(task, rows[i], i, self.seed), self.control) for i in range(count)]


def held_out_rows(
    arguments: TokenArguments, dataset: str, track: str, rows: Mapping[str, Dataset]
) -> tuple[dict[str, str], Dataset] | None:
    """Rows about people whom no model was trained on, and their source; None if there are none or not needed.

    Args:
        arguments: What was asked for.
        dataset: Of the evaluation; beside a built folder lies `<dataset>_extra`.
        track: `image` or `text`.
        rows: Those of the evaluation, by config.

    Raises:
        FileNotFoundError, ValueError: If the judge or the dataset that was named is not there, or a held-out person is
            among those who are to be forgotten or kept.
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
            f"{source}, {config}: no model may know held-out people, but {', '.join(known[:3])} were learnt"
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
    """Writes what was asked for beside a log.

    Args:
        folder: Of the log.
        arguments: What was asked for.
        loaded: The model that was evaluated.
        asked: How.
        log: What it answered.
        held_out: From `held_out_rows`.
        dtype: Precision of the judge.
        progress: Called with the number of examples done and in all, part by part.

    Raises:
        ValueError: If a model gives NaN.
    """
    if not arguments.settings():
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
    """What the model makes of people whom it has never seen, asked as those to forget are."""
    examples = [
        replace(controlled(training_example(row, i, asked.seed), asked.control), person=row.get("name"))
        for i, row in enumerate(rows)
    ]
    return {**source, **_token_level(loaded, examples, asked.batch_size, progress)}


def _token_level(
    loaded: LoadedModel, examples: Sequence[Example], batch_size: int, progress: Progress | None
) -> dict[str, Any]:
    """The fields of `token_log.py` about the right answers of some examples."""
    return {
        "answer": {str(i): example.answer for i, example in enumerate(examples)},
        "person": [example.person for example in examples],
        **token_fields(answer_tokens(loaded, examples, batch_size, progress)),
    }
