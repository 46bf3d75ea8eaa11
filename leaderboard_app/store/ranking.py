"""The numbers of a result that the table shows and sorts by, and the rank rule: nearest to gold first.

Ranked are, per base model and forget set, verified models whose utility is at least GATE of the original's: by the
absolute value of E once all of them have it, which takes three golds, before by D; ties by utility. Where there are
hidden questions, the worse of public and hidden counts, since public ones can be trained on. The others are listed
without a rank: destroying a model is not forgetting.
"""

import json
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

from evaluate_metrics.columns import BOARD, BOARD_MORE, Column, shown_columns

# Column of the store -> row of the table of scores.
COLUMNS: dict[str, Column] = {
    column.store or column.key: column for column in (*shown_columns(BOARD), *shown_columns(BOARD_MORE))
}

GATE = 0.9  # share of the original's utility

# Columns whose 95 % interval the table shows, as `<name>_low` and `<name>_high`.
INTERVALS = ("e", "d", "hidden_gap")
ENDS = tuple(f"{name}_{end}" for name in INTERVALS for end in ("low", "high"))

RULE = (
    f"Rank: for each base model and forget set, among verified models whose utility is at least {GATE:.0%} of the "
    "original's, by |E| (what is left of the original's distance to the golds, near 0 is good) once all of them have "
    "it, which takes three golds, before by D (distance to gold on the forget set, low is good), on public or on "
    "hidden questions, whichever is worse; ties by utility. "
    "Models below this gate are listed greyed and without a rank: destroying a model is not forgetting."
)

# The numbers that were computed here or, as long as there are none, those that the submitter reports.
_NUMBERS = ", ".join(
    f"CASE WHEN r.submission IS NULL THEN json_extract(s.self_reported, '$.{column.key}') ELSE r.{name} END AS {name}"
    for name, column in COLUMNS.items()
)

# All that the table shows of one base model and forget set, with its rank. A result of an older version of the
# metrics, and numbers that only the submitter has reported, are not verified.
_RANKED = f"""
WITH listed AS (
    SELECT s.id, s.user, s.repo_id, s."commit", s.base_model, s.method, s.paper, s.forget, s.modality,
        lower(s.method || char(10) || s.user || char(10) || s.repo_id || char(10) || s.base_model || char(10)
            || s.paper) AS searched,
        s.state = 'scored' AND r.metric_version = (SELECT value FROM settings WHERE name = 'metric_version')
            AS verified,
        r.submission IS NULL AS self_reported, coalesce(r.scored, s.submitted) AS date,
        {_NUMBERS},
        {", ".join(f"r.{end}" for end in ENDS)},
        o.utility AS original_utility,
        (SELECT min(t.id) FROM results w JOIN submissions t ON t.id = w.submission
            WHERE r.weights != '' AND w.weights = r.weights AND t.id != s.id AND t.base_model = s.base_model
            AND t.forget = s.forget AND (t.hidden OR t.state != 'withdrawn')) AS twin,
        json_extract(v.verdict, '$.people') AS audited, json_extract(v.verdict, '$.lights.red') AS audited_known
    FROM submissions s
    LEFT JOIN results r ON r.submission = s.id
    LEFT JOIN verdicts v ON v.submission = s.id
    LEFT JOIN reference_rows o ON o.kind = 'original' AND o.base_model = s.base_model AND o.forget = s.forget
    WHERE s.base_model = :base_model AND s.forget = :forget AND NOT s.hidden
        AND s.state IN ('queued', 'running', 'scored')
        AND (r.submission IS NOT NULL OR s.self_reported IS NOT NULL)
),
gated AS (SELECT *, utility >= {GATE} * original_utility - 1e-9 AS above_gate FROM listed),
compared AS (
    SELECT *, CASE WHEN EXISTS (SELECT 1 FROM gated WHERE verified AND above_gate AND d IS NOT NULL AND e IS NULL)
        THEN max(d, coalesce(hidden_d, d)) ELSE max(abs(e), coalesce(abs(hidden_e), abs(e))) END AS distance
    FROM gated
)
SELECT *, CASE WHEN verified AND above_gate AND d IS NOT NULL THEN RANK() OVER (
    PARTITION BY verified AND above_gate AND d IS NOT NULL ORDER BY distance, utility DESC
) END AS rank
FROM compared
"""  # nosec B608
# What is written down, so that a page of the table is read and not worked out again for each visitor.
COLUMNS_OF_BOARD = (
    "id", "user", "repo_id", '"commit"', "base_model", "method", "paper", "forget", "modality", "searched", "verified",
    "self_reported", "date", "above_gate", "rank", "twin", "audited", "audited_known", *COLUMNS, *ENDS,
)  # fmt: skip
_NAMES = ", ".join(COLUMNS_OF_BOARD)
_WRITE = f"INSERT INTO board ({_NAMES}) SELECT {_NAMES} FROM ({_RANKED})"  # nosec B608


def rank_again(db: sqlite3.Connection, base_model: str, forget: str) -> None:
    """Write the rows of a base model and forget set, with ranks, within the transaction of what changed them."""
    group = {"base_model": base_model, "forget": forget}
    db.execute("DELETE FROM board WHERE base_model = :base_model AND forget = :forget", group)
    db.execute(_WRITE, group)


def rank_all(db: sqlite3.Connection) -> None:
    """Write the rows of all base models and forget sets."""
    for row in db.execute("SELECT DISTINCT base_model, forget FROM submissions").fetchall():
        rank_again(db, row["base_model"], row["forget"])


def columns_of(numbers: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the columns of a result.

    Args:
        numbers: What `score_log` returns; may lack what could not be had.

    Returns:
        The value of each column of COLUMNS and of ENDS; None where there is none.
    """
    found = {name: column.value(numbers) for name, column in COLUMNS.items()}
    intervals = numbers.get("intervals", {})
    ends = [end for name in INTERVALS for end in intervals.get(COLUMNS[name].key) or (None, None)]
    return {**found, **dict(zip(ENDS, ends, strict=True))}


def packed(content: Any) -> str:
    """Return it as JSON, which has no NaN.

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
