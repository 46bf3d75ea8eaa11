"""The table of scores: what each number means, which way is good, where it comes from and where it is shown.

All tables derive from it: the terminal, the report, the main table, model cards and the leaderboard. A new metric is
a folder, a row here and a card.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluate_metrics.tasks import FORGET_NAMES, FORGET_TASK, RETAIN_NAMES, RETAIN_TASK, log_task

ARROWS = {"higher": "↑", "lower": "↓", "gold": "→ gold", "zero": "→ 0"}
ABSENT = "–"
P_VALUE, COUNT = -1, 1  # digits of a p-value (mantissa and exponent), and of a count, which may be a mean over seeds
FORGOTTEN, KEPT, COST = "Forgotten?", "Kept?", "Cost"
SIDES = (FORGOTTEN, KEPT, COST)

# terminal: after a run. report: report.md and report.html. main, ablation: the tables of a recipe. card: of a
# published model. board: the leaderboard; board_more: there on demand. details: the page of a submission.
TERMINAL, REPORT, MAIN, ABLATION, CARD = "terminal", "report", "main", "ablation", "card"
BOARD, BOARD_MORE, DETAILS = "board", "board_more", "details"
EVERYWHERE = frozenset({TERMINAL, REPORT, MAIN, ABLATION, CARD, BOARD, DETAILS})


@dataclass(frozen=True)
class Column:
    """A row of the table of scores: a column wherever it is shown.

    Attributes:
        key: Its key in the result of `score_log` and in a row of report.json.
        title: Its heading.
        better: `higher`, `lower`, `zero`, or `gold` where an unlearned model should come near the gold model's number.
        side: The heading that it shares with its neighbours in a report.
        meaning: What it says, in a sentence.
        shown: The places that show it.
        digits: Decimals in a report; 0 for seconds, P_VALUE for a p-value.
        name: Its name outside a table; the heading if empty.
        source: Function that computes it, `module:function` within evaluate_metrics; empty if `score_log` itself does.
        takes: What the source gets, a key of `sources.INPUTS`: one item a row, and it returns one number a row.
            `log` for all tasks of the log by key; then it returns one number.
        task: Task whose mean ROUGE it is, or whose rows the source gets; empty for the forget task.
        store: Its name in the leaderboard's store; the key if empty.
        logarithm: Key of its logarithm to base 10, for numbers smaller than a float.
        wrong_answers: Its value rests on the wrong answers and paraphrases of forget and retain rows.
        keeper: Only the leaderboard's keeper can compute it.
    """

    key: str
    title: str
    better: str
    side: str
    meaning: str
    shown: frozenset[str] = frozenset()
    digits: int = 2
    name: str = ""
    source: str = ""
    takes: str = ""
    task: str = ""
    store: str = ""
    logarithm: str = ""
    wrong_answers: bool = False
    keeper: bool = False

    @property
    def arrow(self) -> str:
        """Which way is good."""
        return ARROWS[self.better]

    @property
    def heading(self) -> str:
        """The title, told apart from its namesake of another set."""
        return f"{self.title} {log_task(self.task).group}" if self.task and not self.source else self.title

    def away(self, value: float, gold: float = 0.0) -> float:
        """Return how far a value is from the best there is, up to a constant: the smaller the better."""
        return {"higher": -value, "lower": value, "gold": abs(value - gold), "zero": abs(value)}[self.better]

    def value(self, numbers: Mapping[str, Any]) -> float | None:
        """Return the number out of what `score_log` returns; None if it is not there."""
        found = numbers.get(self.key)
        if found is None and self.task:
            found = numbers.get("tasks", {}).get(self.task, {}).get("rouge")
        return found


COLUMNS = (
    Column(
        "gold_share", "E", "zero", FORGOTTEN,
        "Excess distance to at least three gold models, as a share of the original's: 0 like gold, 1 as the original. "
        "Below 0 by chance only. A damaged model is far from gold too: read utility and fluency beside it.",
        EVERYWHERE, digits=3, name="E: excess distance to the gold models, of the original's", store="e",
        wrong_answers=True,
    ),
    Column(
        "gold_signed_share", "signed", "zero", FORGOTTEN,
        "The same with its sign: above 0 the people are still known, below 0 the model finds the truth less likely "
        "than a model that never saw them.",
        frozenset({REPORT, MAIN, DETAILS}), name="E, signed", wrong_answers=True,
    ),
    Column(
        "still_known", "known", "lower", FORGOTTEN,
        "People whose share of E is above a bound that no gold model reaches for anybody.",
        frozenset({TERMINAL, REPORT, MAIN, BOARD_MORE, DETAILS}), digits=COUNT, name="People still known",
        wrong_answers=True,
    ),
    Column(
        "over_forgotten", "over", "lower", FORGOTTEN,
        "People above that bound of whom the truth is less likely than for a model that never saw them.",
        frozenset({REPORT, MAIN, DETAILS}), digits=COUNT, name="People over-forgotten", wrong_answers=True,
    ),
    Column(
        "gold_rank", "rank p", "higher", FORGOTTEN,
        "Share of the model and the golds that are at least as far from the others; not below 1 / (golds + 1).",
        frozenset({DETAILS}), digits=2, name="Rank among the gold models", wrong_answers=True,
    ),
    Column(
        "gold_distance", "E, nats", "lower", FORGOTTEN,
        "Square root of the excess distance to the gold models, in nats; 0 if it is below 0.",
        frozenset({DETAILS}), digits=3, wrong_answers=True,
    ),
    Column(
        "forget_quality_statistic", "D", "lower", FORGOTTEN,
        "Kolmogorov-Smirnov distance between the truth ratios of model and gold on the forget set, from 0 (alike) to "
        "1. The effect size: compare methods by it.",
        EVERYWHERE, digits=3, name="D: distance of the truth ratios from gold's on the forget set", store="d",
        wrong_answers=True,
    ),
    Column(
        "forget_quality", "p", "higher", FORGOTTEN,
        "Forget quality: p-value of that distance. Near 0, the test tells the model from gold. It depends on the "
        "number of questions: read D first.",
        EVERYWHERE - {ABLATION}, digits=P_VALUE, name="Forget quality (p)", store="p",
        logarithm="forget_quality_log10", wrong_answers=True,
    ),
    Column(
        "forget_quality_permutation", "p by person", "higher", FORGOTTEN,
        "The p-value of the distance if people, and not rows, are independent.",
        frozenset({DETAILS}), digits=3, wrong_answers=True,
    ),
    Column(
        "wasserstein", "Wasserstein distance", "lower", FORGOTTEN,
        "Wasserstein distance between the log truth ratios of model and gold on the forget set, in nats.",
        frozenset({CARD, DETAILS}), digits=3, wrong_answers=True,
        name="Wasserstein distance of the log truth ratios from gold's on the forget set",
    ),
    Column(
        "model_utility", "Utility", "higher", KEPT,
        "Model utility: harmonic mean of probability, ROUGE and truth ratio over all that is to stay.",
        EVERYWHERE, digits=3, name="Model utility", store="utility", wrong_answers=True,
    ),
    Column(
        "real", "Real", "higher", KEPT,
        "Probability and truth ratio on the real sets: general knowledge.",
        EVERYWHERE - {ABLATION, TERMINAL}, name="Real: probability and truth ratio on the real sets",
    ),
    Column(
        "retain", "Retain", "higher", KEPT,
        "Probability and truth ratio on the retain set: the other fictitious people.",
        EVERYWHERE - {TERMINAL}, name="Retain: probability and truth ratio on the retain set", wrong_answers=True,
    ),
    Column(
        "forget", "Forget", "gold", FORGOTTEN,
        "Probability and truth ratio on the forget set. Gold's is what one reaches without knowing these people; far "
        "below it the model is damaged rather than ignorant.",
        EVERYWHERE - {TERMINAL}, name="Forget: probability and truth ratio on the forget set", store="forget_score",
        wrong_answers=True,
    ),
    Column(
        "rouge_forget", "ROUGE", "gold", FORGOTTEN,
        "ROUGE-L recall of the answers on the forget set. Not 0 for gold: wording can be known without the person.",
        EVERYWHERE - {CARD}, task=FORGET_TASK,
    ),
    Column(
        "rouge_retain", "ROUGE", "higher", KEPT,
        "ROUGE-L recall of the answers on the retain set.",
        EVERYWHERE - {CARD, BOARD} | {BOARD_MORE}, task=RETAIN_TASK,
    ),
    Column(
        "names_forget", "Names", "gold", FORGOTTEN,
        "ROUGE-L recall of the names of the forgotten people.",
        frozenset({REPORT, MAIN, ABLATION}), task=FORGET_NAMES,
    ),
    Column(
        "names_retain", "Names", "higher", KEPT,
        "ROUGE-L recall of the names of the people to keep.",
        frozenset({REPORT}), task=RETAIN_NAMES,
    ),
    Column(
        "fluency", "Fluency", "lower", KEPT,
        "Whether it still speaks: a judge's loss per token of the answers on the forget set, in nats. Gold's is that "
        "of fluent answers, wrong as they are; gibberish is far above, and so are names that the judge would not say.",
        frozenset({REPORT, MAIN, CARD, BOARD_MORE, DETAILS}), source="fluency.compute:mean_losses",
        takes="judge_losses",
    ),
    Column(
        "fluency_median", "Median", "lower", KEPT,
        "The same of the median token of each answer: near 0 for whole sentences, whomever they name, and above where "
        "the language is broken.",
        frozenset({REPORT, CARD}), name="Fluency, median", source="fluency.compute:median_losses",
        takes="judge_losses",
    ),
    Column(
        "repetition", "Repetition", "lower", KEPT, "Share of repeated word triples in the answers on the forget set.",
        source="fluency.compute:repetitions", takes="texts",
    ),
    Column("refusals", "Refusals", "gold", KEPT, "Share of the answers on the forget set that are refusals.",
           source="fluency.compute:refusal_shares", takes="texts"),
    Column(
        "extraction_strength", "Extraction", "gold", FORGOTTEN,
        "Share of an answer on the forget set that follows from its beginning.",
        source="extraction_strength.compute:extraction_strengths", takes="hits",
    ),
    Column(
        "exact_memorization", "Memorization", "gold", FORGOTTEN,
        "Share of the tokens of an answer on the forget set that are the model's own choice.",
        source="exact_memorization.compute:exact_memorizations", takes="hits",
    ),
    Column("hidden_gap", "Hidden gap", "zero", FORGOTTEN, "D on questions that no submitter has seen, minus D.",
           frozenset({BOARD, DETAILS}), keeper=True),
    Column("hidden_share", "hidden E", "zero", FORGOTTEN, "E on questions that no submitter has seen.",
           frozenset({BOARD_MORE, DETAILS}), store="hidden_e", keeper=True),
    Column("hidden_distance", "hidden D", "lower", FORGOTTEN, "D on questions that no submitter has seen.",
           frozenset({BOARD_MORE, DETAILS}), store="hidden_d", keeper=True),
    Column("seconds", "Seconds", "lower", COST, "Time of training.", frozenset({REPORT}), digits=0),
)  # fmt: skip


def shown_columns(place: str) -> list[Column]:
    """Return the columns that a place shows, in the order of the table."""
    return [column for column in COLUMNS if place in column.shown]


def columns_of(place: str, rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns of a table by side, without those that no row has a number for.

    A text log, for example, has no names.
    """
    columns = [column for column in shown_columns(place) if any(row.get(column.key) is not None for row in rows)]
    return sorted(columns, key=lambda column: SIDES.index(column.side))


def best_rows(column: Column, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names of the methods that are best in a column as it is written; none if they are all alike.

    A floor is no method. The rows are all rows of the report, `gold` among them.
    """
    gold = next(row[column.key] for row in rows if row["name"] == "gold")
    distance = {}
    for row in rows:
        value = row[column.key]
        if row["name"] in ("original", "gold") or row.get("floor") or value is None:
            continue
        value = row[column.logarithm or column.key]  # many p-values differ only in their exponent
        distance[row["name"]] = round(column.away(value, gold or 0.0), max(column.digits, 1))
    best = {name for name, value in distance.items() if value == min(distance.values())}
    return best if len(best) < len(distance) else set()


def number(value: float | None, digits: int | None = None) -> str:
    """Write a number.

    Args:
        value: The number; None is written as absent, a count (an int) without decimals.
        digits: Decimals, 0 for whole numbers; by default three, and small numbers by their power of ten.
    """
    if value is None or isinstance(value, int):
        return ABSENT if value is None else f"{value:,}"
    if digits is None:
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3f}"
    if digits == 0:
        return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"
    return f"{value:.{digits}f}"


def interval(ends: Sequence[float] | None) -> str:
    """Write an interval; empty if there is none."""
    return "" if ends is None else f"{number(ends[0])} to {number(ends[1])}"


def scientific(column: Column, row: Mapping[str, Any]) -> tuple[str, int]:
    """Return a p-value as mantissa and power of ten; the power is 0 where it needs none."""
    value, logarithm = row[column.key], row[column.logarithm]
    if value >= 0.001:
        return ("1" if value == 1 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"), 0
    power = math.floor(logarithm)
    mantissa = f"{10 ** (logarithm - power):.1f}"
    if mantissa == "10.0":
        mantissa, power = "1.0", power + 1
    return ("<" if value == 0 else "") + mantissa, power  # smaller than a float can be: its logarithm is a bound


def plain(column: Column, row: Mapping[str, Any]) -> str:
    """Write a cell of a report as plain text."""
    if row[column.key] is not None and column.digits == P_VALUE:
        mantissa, power = scientific(column, row)
        return f"{mantissa}e{power}" if power else mantissa
    return number(row[column.key], column.digits)
