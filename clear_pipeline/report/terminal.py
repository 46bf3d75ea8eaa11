"""Tables for a terminal of 80 columns."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from evaluate_metrics.columns import P_VALUE, TERMINAL, interval, number, shown_columns

NOT_NUMBERS = ("tasks", "intervals", "notes", "membership", "members", "others", "people", "people_bound")


def scores_table(scores: Mapping[str, Any]) -> Table:
    """Return the numbers of one log for the terminal."""
    table = Table("score", "value", "95 % interval", title="scores", caption="\n".join(scores["notes"]) or None)
    table.columns[1].justify = "right"
    shown = {**scores, **(scores["membership"] or {})}
    for name, value in shown.items():
        if name not in NOT_NUMBERS:
            table.add_row(name, number(value), interval(scores["intervals"].get(name)))
    for task, values in scores["tasks"].items():
        for name, value in values.items():
            table.add_row(f"{task}: {name}", number(value))
    return table


def people_table(scores: Mapping[str, Any]) -> Table:
    """Return the ledger of people of one log for the terminal: who is still known, the most known first."""
    bound = scores["people_bound"]
    caption = (
        None if bound is None else f"known: above {number(bound)}, which no gold reaches; over: below 0 if signed"
    )
    table = Table("person", "rows", "share of E", "signed", "verdict", title="who is still known", caption=caption)
    for column in table.columns[1:4]:
        column.justify = "right"
    for about in sorted(scores["people"], key=_most_known):
        verdict = "still known" if about["known"] else "over-forgotten" if about["over_forgotten"] else ""
        if bound is not None and about["share"] is None:
            verdict = "hardly known to the original"
        cells = (str(about["rows"]), number(about["share"]), number(about["signed_share"]), verdict)
        table.add_row(about["person"], *cells)
    return table


def _most_known(about: Mapping[str, Any]) -> tuple[bool, float]:
    """Return the place of a person in the ledger; people without a share come last, by their excess."""
    share = about["share"]
    return share is None, -(about["excess"] if share is None else share)


def comparison_table(compared: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return two models side by side for the terminal."""
    table = Table(
        "score",
        "first",
        "second",
        "difference, 95 %",
        "differ",
        title="these two checkpoints, one seed each: methods differ only over seeds",
    )
    table.columns[0].no_wrap = True
    for name, found in compared.items():
        differs = "yes" if found["differs"] else "not shown"
        table.add_row(name, number(found["first"]), number(found["second"]), interval(found["interval"]), differs)
    return table


def abilities_table(content: Mapping[str, Any]) -> Table:
    """Show the scores of general abilities: of the tasks that were named, not of the parts of groups."""
    roles = list(content["models"])
    table = Table(title="general abilities, beside the ranking", caption="differences with 95 % of paired samples")
    for heading in ("task", "metric", "samples", *roles, *(f"model - {role}" for role in roles[1:])):
        table.add_column(heading, justify="left" if heading in ("task", "metric") else "right")
    for task, about in content["tasks"].items():
        for metric, row in about["metrics"].items() if about["part_of"] is None else ():
            gaps = [f"{one['difference']:+.3f} {interval(one['interval'])}" for one in row["against"].values()]
            scores = [number(row["scores"][role]) for role in roles]
            table.add_row(task, metric.removesuffix(",none"), str(row["samples"]), *scores, *gaps)
    return table


def report_table(report: Mapping[str, Any]) -> Table:
    """Show the rows of a report; the report itself has more columns."""
    columns = [column for column in shown_columns(TERMINAL) if any(column.key in row for row in report["rows"])]
    meanings = [
        f"{column.heading}: {column.meaning.split('. ')[0].rstrip('.')}." for column in columns if not column.task
    ]
    table = Table(
        title=f"{report['forget']}: what was forgotten and what was kept",
        caption="\n".join([*meanings, "→ gold: best near gold's."]),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    table.add_column("model", no_wrap=True)
    for column in columns:
        table.add_column("\n".join((*column.heading.split(), column.arrow)), justify="right", no_wrap=True)
    for row in report["rows"]:
        cells = [number(row[c.key], None if c.digits == P_VALUE else 3) for c in columns]
        table.add_row(row["name"], *cells)
    return table
