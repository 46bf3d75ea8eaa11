"""The numbers of a result that the table shows and sorts by, out of all that `clear-unlearning score --json` gives."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from evaluate_metrics.columns import BOARD, BOARD_MORE, Column, shown_columns

# Column of the store -> row of the table of scores.
COLUMNS: dict[str, Column] = {
    column.store or column.key: column for column in (*shown_columns(BOARD), *shown_columns(BOARD_MORE))
}


def columns_of(numbers: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the columns of a result.

    Args:
        numbers: What `score_log` returns; may lack what could not be had.

    Returns:
        The value of each column of COLUMNS, `d_low` and `d_high`; None where there is none.
    """
    found = {name: column.value(numbers) for name, column in COLUMNS.items()}
    low, high = numbers.get("intervals", {}).get(COLUMNS["d"].key) or (None, None)
    return {**found, "d_low": low, "d_high": high}


def packed(content: Any) -> str:
    """As JSON, which has no NaN.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    return json.dumps(content, allow_nan=False, ensure_ascii=False)


def pressed(log: Any) -> bytes:
    """Return a log as it is kept: logs are large and much the same from row to row."""
    return zlib.compress(packed(log).encode())


def unpressed(log: bytes) -> Any:
    """Return the log again."""
    return json.loads(zlib.decompress(log))
