"""What stands beside a log for metrics that need more than TOFU's fields: tokens, held-out people, a judge's losses.

`eval_log_tokens.json` is written by `evaluate --token_level` and `evaluate --judge MODEL`, each its own part of it:

    {"schema": 1,
     "tasks": {TASK: {"answer": {"0": "...", ...}, "person": ["...", ...],  # the right answer, and whom it is about
                      "token_log_probs": {"0": [...], ...},   # of each token of it, its end included
                      "token_hits": ...,                      # 1 where it is the most probable token, else 0
                      "vocabulary_means": ..., "vocabulary_stds": ...,  # of the log-probabilities there, for min-k++
                      "judge_losses": {"0": [...], ...}}},    # of each of the judge's tokens of what the model said
     "held_out": {"dataset": ..., "config": ..., "answer": ..., "person": ..., "token_log_probs": ..., ...},
     "judge": MODEL}

TOFU's own file keeps TOFU's tasks and fields. Held-out people, whom no model was trained on, are no task of TOFU's.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluate_metrics.log_format import LOG_NAME, TOKENS_NAME, Log, LogSource

ABOUT = ("answer", "person")
TOKEN_FIELDS = ("token_log_probs", "token_hits", "vocabulary_means", "vocabulary_stds")
WITHOUT_TOKENS = "this log has no token-level fields: evaluate again with --token_level"
WITHOUT_HELD_OUT = "this log has no held-out people: evaluate again with --token_level --holdout DATASET"
WITHOUT_JUDGE = "this log has no judge's losses: evaluate again with --judge MODEL, by habit the gold model"


@dataclass(frozen=True)
class TokenRows:
    """The right answers of some examples token by token, the end token of each left out.

    Attributes:
        answers: The answers.
        people: Whom each is about; a row about nobody stands for itself.
        log_probs: Log-probability of each token, in nats [examples][tokens].
        hits: 1 where it is the most probable token, else 0.
        means: Mean log-probability over the vocabulary at each token.
        stds: Its standard deviation.
    """

    answers: list[str]
    people: list[str]
    log_probs: list[list[float]]
    hits: list[list[int]]
    means: list[list[float]]
    stds: list[list[float]]


@dataclass(frozen=True)
class TokenLog:
    """What stands beside a log; a part that was not asked for is empty.

    Attributes:
        tasks: The tokens of the right answers, by task.
        judge_losses: A judge's loss of each token of each generation, its end included, in nats, by task.
        held_out: The held-out people, or None.
    """

    tasks: dict[str, TokenRows]
    judge_losses: dict[str, list[list[float]]]
    held_out: TokenRows | None

    def rows(self, task: str) -> TokenRows:
        """Return the tokens of a task.

        Raises:
            ValueError: If the log was made without `--token_level`.
        """
        if task not in self.tasks:
            raise ValueError(WITHOUT_TOKENS)
        return self.tasks[task]

    def membership_inputs(self, task: str) -> dict[str, list[Any]]:
        """Return the rows of a task and then those of the held-out people, as the metric `membership` takes them.

        Raises:
            ValueError: If the log has no tokens or no held-out people.
        """
        rows, others = self.rows(task), self.held_out
        if others is None:
            raise ValueError(WITHOUT_HELD_OUT)
        return {
            "predictions": rows.log_probs + others.log_probs,
            "references": [1] * len(rows.hits) + [0] * len(others.hits),
            "means": rows.means + others.means,
            "stds": rows.stds + others.stds,
            "texts": rows.answers + others.answers,
            "people": rows.people + others.people,
        }


EMPTY = TokenLog({}, {}, None)


def read_token_log(source: LogSource) -> TokenLog:
    """Read and check what stands beside a log; all is empty where nothing does.

    Args:
        source: The log, the folder that holds both, a log in memory, or the content of this file.

    Raises:
        ValueError: If it is cut off, or a field is missing, of another length, or not finite; it is named.
    """
    if isinstance(source, Log):
        return EMPTY if source.tokens is None else token_log_of("token log", source.tokens)
    if isinstance(source, Mapping):
        return token_log_of("token log", source) if "tasks" in source else EMPTY
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    bare = not Path(source).is_dir() and Path(source).name != LOG_NAME  # another log than the one of the folder
    return read_token_file(folder / TOKENS_NAME) if not bare and (folder / TOKENS_NAME).is_file() else EMPTY


def read_token_file(path: Path) -> TokenLog:
    """Read and check one file, whatever its name.

    Raises:
        ValueError: If it is not such a file, or not whole.
    """
    try:
        return token_log_of(str(path), json.loads(path.read_text()))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON ({error}); was it cut off?") from error


def token_log_of(name: str, content: Any) -> TokenLog:
    """Check the content of a file.

    Args:
        name: What errors call it.
        content: As the file's JSON has it.

    Raises:
        ValueError: If a field is missing, of another length, or not finite.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("tasks"), Mapping):
        raise ValueError(f"{name}: no log of tokens; expected tasks, and perhaps held_out and judge")
    tasks, losses = {}, {}
    for task, fields in content["tasks"].items():
        where = f"{name}, {task}"
        if any(field in fields for field in TOKEN_FIELDS):
            tasks[task] = _token_rows(where, fields)
        if "judge_losses" in fields:
            column = _column(f"{where}, judge_losses", fields["judge_losses"])
            losses[task] = [_numbers(f"{where}, judge_losses, row {i}", row) for i, row in enumerate(column)]
    others = content.get("held_out")
    return TokenLog(tasks, losses, None if others is None else _token_rows(f"{name}, held_out", others))


def write_token_log(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the file, into a temporary one that is then renamed.

    Raises:
        ValueError: If `read_token_log` would refuse it.
    """
    token_log_of(TOKENS_NAME, content)
    part = folder / f"{TOKENS_NAME}.part"
    part.write_text(json.dumps(content, allow_nan=False))
    part.rename(folder / TOKENS_NAME)


def _token_rows(where: str, fields: Mapping[str, Any]) -> TokenRows:
    missing = [name for name in (*ABOUT, *TOKEN_FIELDS) if not isinstance(fields, Mapping) or name not in fields]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    answers, people = _column(f"{where}, answer", fields["answer"]), fields["person"]
    columns = [_column(f"{where}, {name}", fields[name]) for name in TOKEN_FIELDS]
    counts = [len(column) for column in (answers, people, *columns)]
    if len(set(counts)) > 1:
        raise ValueError(f"{where}: {', '.join((*ABOUT, *TOKEN_FIELDS))} have {counts} rows")
    rows: list[list[list[Any]]] = [[] for _ in TOKEN_FIELDS]
    for index, row in enumerate(zip(*columns, strict=True)):
        sizes = [len(tokens) if isinstance(tokens, list) else 0 for tokens in row]
        if len(set(sizes)) > 1 or sizes[0] < 2:  # a token and the end
            raise ValueError(f"{where}, row {index}: the token-level fields have {sizes} tokens")
        for name, tokens, kept in zip(TOKEN_FIELDS, row, rows, strict=True):
            numbers = [_number(f"{where}, {name}, row {index}", token) for token in tokens]
            if name == "token_hits" and not {0, 1} >= set(numbers):
                raise ValueError(f"{where}, {name}, row {index}: {tokens} are not 0 and 1")
            # The end token says nothing of what is known; open-unlearning leaves it out as well.
            kept.append(numbers[:-1])
    people = [f"{where}, row {i}" if person is None else f"{person}" for i, person in enumerate(people)]
    return TokenRows([f"{answer}" for answer in answers], people, *rows)


def _column(where: str, column: Any) -> list[Any]:
    """Return the values of a field in the order of their indices, which must be 0 to count - 1."""
    if not isinstance(column, Mapping) or not column or any(str(i) not in column for i in range(len(column))):
        raise ValueError(f"{where}: needs a dict with a value for each row from 0 on")
    return [column[str(i)] for i in range(len(column))]


def _numbers(where: str, values: Any) -> list[float]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{where}: needs a list of numbers, not {values!r}")
    return [_number(where, value) for value in values]


def _number(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{where}: {value!r} is not a finite number")
    return value
