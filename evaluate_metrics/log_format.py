"""The log: TOFU's JSON (arXiv 2401.06121), the only thing that crosses from models to numbers.

`eval_log_aggregated.json` holds, by task key and field, a dict from the example's index to its value, and nothing
else: TOFU's and CLEAR's own scripts iterate over every key. Metadata stand beside it in `eval_log_meta.json`, and what
`evaluate --token_level` and `--judge` add in `eval_log_tokens.json`, see `token_log.py`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluate_metrics.tasks import LOG_TASKS

LOG_NAME = "eval_log_aggregated.json"
META_NAME = "eval_log_meta.json"
TOKENS_NAME = "eval_log_tokens.json"

LARGEST = 700.0  # nats: exp of more does not fit a float
NEEDED = ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss", "rougeL_recall")


@dataclass(frozen=True)
class Log:
    """A log in memory, as `evaluate_model` returns it: `score_log` takes it as it takes the folder of one.

    Attributes:
        tasks: What the log's file holds: TOFU's fields, by task key.
        meta: What stands beside it: dataset, forget set, questions, whom each row is about.
        tokens: What `token_level` and `judge` add; None without them.
    """

    tasks: Mapping[str, Any]
    meta: Mapping[str, Any]
    tokens: Mapping[str, Any] | None = None

    def save(self, folder: str | Path) -> Path:
        """Write the files that `clear-unlearning evaluate` writes, and return their folder.

        Raises:
            FileExistsError: If there is a log already.
            ValueError: If a number is NaN or infinite.
        """
        folder = Path(folder)
        if (folder / LOG_NAME).exists():
            raise FileExistsError(f"{folder} holds a log already; choose another folder, or delete that one")
        folder.mkdir(parents=True, exist_ok=True)
        write_log(folder, self.tasks, self.meta, self.tokens)
        return folder


@dataclass(frozen=True)
class TaskLog:
    """One task of a log, in the order of the examples' indices.

    Attributes:
        loss: Negative log-likelihood of the answer per token, in nats [examples].
        paraphrased_loss: The same of its paraphrase [examples].
        wrong_losses: The same of each wrong answer [examples, wrong answers].
        rouge: ROUGE-L recall of the generation [examples].
        generated: (prompt, generation, ground truth) of each example; empty if the log has none.
    """

    loss: np.ndarray
    paraphrased_loss: np.ndarray
    wrong_losses: np.ndarray
    rouge: np.ndarray
    generated: list[list[str]]

    def truth_ratios(self, paper: str | None = None) -> np.ndarray:
        """Return R = exp(mean wrong loss - paraphrased loss) of each example: above 1, the truth is the more likely.

        Args:
            paper: `clear`: the mean wrong loss is that of all examples together, as in CLEAR's scripts.
        """
        mean_wrong = self.wrong_losses.mean() if paper == "clear" else self.wrong_losses.mean(1)
        return np.exp(np.clip(mean_wrong - self.paraphrased_loss, -LARGEST, LARGEST))


LogSource = str | Path | Mapping[str, Any] | Log


def read_log(source: LogSource) -> dict[str, TaskLog]:
    """Read and check a log.

    Args:
        source: A log file, the folder that holds it, its content, or a log in memory.

    Returns:
        The log's tasks by key.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If it is neither a log nor a place.
        ValueError: If it is not a log, or a field is missing, of another length, or not finite; it is named.
    """
    source = source.tasks if isinstance(source, Log) else source
    if not isinstance(source, str | Path | Mapping):
        raise TypeError(f"give what evaluate_model returns, a log file or its folder; not a {type(source).__name__}")
    content, name = (source, "log") if isinstance(source, Mapping) else _read_json(Path(source))
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{name}: not a log; expected task keys such as {', '.join(list(LOG_TASKS)[:2])}")
    return {task: _task_log(f"{name}, {task}", fields) for task, fields in content.items()}


def read_meta(source: LogSource) -> dict[str, Any]:
    """Return what stands beside a log: empty for a bare log such as TOFU's own."""
    if isinstance(source, Log):
        return dict(source.meta)
    if isinstance(source, Mapping):
        return {}
    path = Path(source) / META_NAME if Path(source).is_dir() else Path(source).with_name(META_NAME)
    return json.loads(path.read_text()) if path.is_file() else {}


def check_same_rows(logs: Mapping[str, Mapping[str, TaskLog]]) -> None:
    """Make sure that numbers which stand side by side are about the same rows.

    Args:
        logs: Logs by the name of their model; all are held against the first.

    Raises:
        ValueError: If tasks, their number of rows or their true answers differ.
    """
    first, expected = next(iter(logs.items()))
    for name, log in logs.items():
        if log.keys() != expected.keys():
            raise ValueError(f"{name} was scored on {', '.join(log)}, {first} on {', '.join(expected)}")
        for key, task in log.items():
            truths = [text[2] for text in task.generated]
            if len(task.loss) != len(expected[key].loss) or truths != [text[2] for text in expected[key].generated]:
                raise ValueError(
                    f"{key}: {name} was scored on {len(task.loss)} rows, {first} on {len(expected[key].loss)}, and "
                    "they must be the same: evaluate again with the same rows and --max_examples"
                )


def write_log(
    folder: Path, log: Mapping[str, Any], meta: Mapping[str, Any], tokens: Mapping[str, Any] | None = None
) -> None:
    """Write log, metadata and tokens, each into a temporary file that is then renamed; the log is the last.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    beside = {} if tokens is None else {TOKENS_NAME: tokens}
    for name, content in {**beside, META_NAME: meta, LOG_NAME: log}.items():
        part = folder / f"{name}.part"
        part.write_text(json.dumps(content, allow_nan=False))
        part.rename(folder / name)


def _read_json(path: Path) -> tuple[Any, str]:
    path = path / LOG_NAME if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"no log at {path}")
    try:
        return json.loads(path.read_text()), str(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON ({error}); was it cut off?") from error


def _task_log(where: str, fields: Any) -> TaskLog:
    missing = [name for name in NEEDED if not isinstance(fields, Mapping) or name not in fields]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    count = len(fields["avg_gt_loss"])
    if not count:
        raise ValueError(f"{where}: no examples")
    columns = {name: _column(f"{where}, {name}", fields[name], count) for name in NEEDED}
    wrong = columns["average_perturb_loss"]
    widths = {len(row) if isinstance(row, list) else 0 for row in wrong}
    if len(widths) != 1 or widths == {0}:
        raise ValueError(f"{where}, average_perturb_loss: rows must be lists of one length, not {sorted(widths)}")
    for name, column in columns.items():
        for index, value in enumerate(column):
            for number in value if isinstance(value, list) else [value]:
                if not isinstance(number, int | float) or not math.isfinite(number):
                    raise ValueError(f"{where}, {name}, row {index}: {number!r} is not a finite number")
    generated = fields.get("generated_text")
    return TaskLog(
        loss=np.array(columns["avg_gt_loss"], dtype=float),
        paraphrased_loss=np.array(columns["avg_paraphrased_loss"], dtype=float),
        wrong_losses=np.array(wrong, dtype=float),
        rouge=np.array(columns["rougeL_recall"], dtype=float),
        generated=_column(f"{where}, generated_text", generated, count) if generated else [],
    )


def _column(where: str, column: Any, count: int) -> list[Any]:
    """Return the values of a field in the order of their indices, which must be 0 to count - 1."""
    expected = [str(index) for index in range(count)]
    if not isinstance(column, Mapping) or len(column) != count or any(index not in column for index in expected):
        seen = len(column) if isinstance(column, Mapping) else type(column).__name__
        raise ValueError(f"{where}: needs rows 0 to {count - 1}, as avg_gt_loss has; seen {seen}")
    return [column[index] for index in expected]


def harmonic_mean(values: Sequence[float]) -> float:
    """Return the harmonic mean of numbers from 0 to 1; 0 if one of them is 0."""
    return 0.0 if min(values) <= 0 else len(values) / sum(1 / value for value in values)
