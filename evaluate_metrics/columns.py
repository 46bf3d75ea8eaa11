"""The columns of the report's table: what each number means, which way is good, how it is written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ARROWS = {"higher": "↑", "lower": "↓", "gold": "→ gold"}
ABSENT = "–"


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        key: Its key in a row of report.json.
        title: Its heading.
        better: `higher`, `lower`, or `gold` where an unlearned model should come near the gold model's number.
        side: The heading that it shares with its neighbours.
        meaning: What it says, in a sentence.
        digits: Decimals, 0 for seconds, -1 for a p-value.
        wrong_answers: Its value rests on the wrong answers and paraphrases of forget and retain rows.
    """

    key: str
    title: str
    better: str
    side: str
    meaning: str
    digits: int = 2
    wrong_answers: bool = False

    @property
    def arrow(self) -> str:
        """Which way is good."""
        return ARROWS[self.better]


COLUMNS = (
    Column(
        "forget_quality_statistic", "D", "lower", "Forgotten?",
        "Kolmogorov-Smirnov distance between the truth ratios of model and gold on the forget set, from 0 (alike) to "
        "1. The effect size: compare methods by it.",
        3, True,
    ),
    Column(
        "forget_quality", "p", "higher", "Forgotten?",
        "Forget quality: p-value of that distance. Near 0, the test tells the model from gold.",
        -1, True,
    ),
    Column(
        "forget", "Forget", "gold", "Forgotten?",
        "Probability and truth ratio on the forget set. Gold's is what one reaches without knowing these people; far "
        "below it the model is damaged rather than ignorant.",
        2, True,
    ),
    Column(
        "rouge_forget", "ROUGE", "gold", "Forgotten?",
        "ROUGE-L recall of the answers on the forget set. Not 0 for gold: wording can be known without the person.",
    ),
    Column("names_forget", "Names", "gold", "Forgotten?", "ROUGE-L recall of the names of the forgotten people."),
    Column(
        "model_utility", "Utility", "higher", "Kept?",
        "Model utility: harmonic mean of probability, ROUGE and truth ratio over all that is to stay.",
        3, True,
    ),
    Column("real", "Real", "higher", "Kept?", "Probability and truth ratio on the real sets: general knowledge."),
    Column(
        "retain", "Retain", "higher", "Kept?",
        "Probability and truth ratio on the retain set: the other fictitious people.",
        2, True,
    ),
    Column("rouge_retain", "ROUGE", "higher", "Kept?", "ROUGE-L recall of the answers on the retain set."),
    Column("names_retain", "Names", "higher", "Kept?", "ROUGE-L recall of the names of the people to keep."),
    Column(
        "fluency", "Fluency", "lower", "Kept?",
        "Whether it still speaks: a judge's loss per token of the answers on the forget set, in nats. Gold's is that "
        "of fluent answers, wrong as they are; gibberish is far above, and so are names that the judge would not say.",
    ),
    Column(
        "fluency_median", "Median", "lower", "Kept?",
        "The same of the median token of each answer: near 0 for whole sentences, whomever they name, and above where "
        "the language is broken.",
    ),
    Column("seconds", "Seconds", "lower", "Cost", "Time of training.", 0),
)  # fmt: skip


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns of which at least one row has a number; a text log, for example, has no names."""
    return [column for column in COLUMNS if any(row[column.key] is not None for row in rows)]


def best_rows(column: Column, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the methods that are best in a column as it is written; none if they are all alike.

    Args:
        column: The column.
        rows: All rows of the report, `gold` among them.
    """
    gold = next(row[column.key] for row in rows if row["name"] == "gold")
    distance = {}
    for row in rows:
        value = row[column.key]
        if row["name"] in ("original", "gold") or value is None:
            continue
        if column.key == "forget_quality":  # many p-values differ only in their exponent
            value = row["forget_quality_log10"]
        away = {"higher": -value, "lower": value, "gold": abs(value - (gold or 0.0))}[column.better]
        distance[row["name"]] = round(away, max(column.digits, 1))
    best = {name for name, value in distance.items() if value == min(distance.values())}
    return best if len(best) < len(distance) else set()


def scientific(row: Mapping[str, Any]) -> tuple[str, int]:
    """The p-value of a row as mantissa and power of ten; the power is 0 where it needs none."""
    value, logarithm = row["forget_quality"], row["forget_quality_log10"]
    if value >= 0.001:
        return ("1" if value == 1 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"), 0
    power = math.floor(logarithm)
    mantissa = f"{10 ** (logarithm - power):.1f}"
    if mantissa == "10.0":
        mantissa, power = "1.0", power + 1
    return ("<" if value == 0 else "") + mantissa, power  # smaller than a float can be: its logarithm is a bound


def plain(column: Column, row: Mapping[str, Any]) -> str:
    """A cell as plain text."""
    value = row[column.key]
    if value is None:
        return ABSENT
    if column.digits == -1:
        mantissa, power = scientific(row)
        return f"{mantissa}e{power}" if power else mantissa
    if column.digits == 0:
        return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"
    return f"{value:.{column.digits}f}"
