"""The numbers of a result that the table shows and sorts by, out of all that `clear-unlearning score --json` gives."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

# Column of the store -> key of the numbers.
COLUMNS: dict[str, str] = {
    "d": "forget_quality_statistic",
    "p": "forget_quality",
    "utility": "model_utility",
    "real": "real",
    "retain": "retain",
    "forget_score": "forget",
    "rouge_forget": "rouge_forget",
    "rouge_retain": "rouge_retain",
    "fluency": "fluency",
    "hidden_gap": "hidden_gap",
}
ROUGE_TASKS = {"rouge_forget": "eval_log_forget.json", "rouge_retain": "eval_log.json"}


def columns_of(numbers: Mapping[str, Any]) -> dict[str, float | None]:
    """The columns of a result.

    Args:
        numbers: What `score_log` returns; may lack what could not be had.

    Returns:
        The value of each column of COLUMNS, `d_low` and `d_high`; None where there is none.
    """
    found = {column: numbers.get(key) for column, key in COLUMNS.items()}
    for column, task in ROUGE_TASKS.items():
        if found[column] is None:
            found[column] = numbers.get("tasks", {}).get(task, {}).get("rouge")
    low, high = numbers.get("intervals", {}).get(COLUMNS["d"]) or (None, None)
    return {**found, "d_low": low, "d_high": high}


def packed(content: Any) -> str:
    """As JSON, which has no NaN.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    return json.dumps(content, allow_nan=False, ensure_ascii=False)


def pressed(log: Any) -> bytes:
    """A log as it is kept: logs are large and much the same from row to row."""
    return zlib.compress(packed(log).encode())


def unpressed(log: bytes) -> Any:
    """The log again."""
    return json.loads(zlib.decompress(log))
