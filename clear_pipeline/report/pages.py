"""The report as Markdown and as one page that needs nothing else: table, trade-off plot and answers."""

import base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluate_metrics import face_scores
from evaluate_metrics.columns import (
    ABSENT,
    REPORT,
    Column,
    best_rows,
    columns_of,
    number,
    plain,
    scientific,
    shown_columns,
)
from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.tasks import task_title

from .answers import answer_sections, people_rows
from .audit_columns import audit_columns
from .tradeoff import Point, tradeoff_plot

FACES_ABOUT = (
    "Recognisers forgot people only by their photos (visual track): accuracies in percent, attacks with their 95 % "
    "interval over people. The paper's numbers are of 128 ResNet-18 and photos of 200 people: for orientation, not "
    "for comparison."
)
READING = (
    "E is what is left of the original's distance to the gold models: read it with utility, fluency and what the "
    "models say, since a broken model is far from gold too. p depends on the number of examples and is uncalibrated: "
    "golds of other seeds fail it, and gibberish can pass by luck. D and p are for comparison with TOFU's tables."
)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    return [*columns_of(REPORT, rows), *audit_columns(rows)]


def markdown(report: Mapping[str, Any], made: bool) -> str:
    """Return the table as Markdown, with what its columns mean."""
    rows = report["rows"]
    columns = _columns(rows)
    lines = [f"# Unlearning report: {report['forget']}", "", *_factsline(report), ""]
    titles = [f"{column.heading}{_mark(column, made)} {column.arrow}" for column in columns]
    lines += head_lines(["model", *titles])
    best = {column.key: best_rows(column, rows) for column in columns}
    for row in rows:
        cells = [plain(column, row) for column in columns]
        cells = [f"**{c}**" if row["name"] in best[k.key] else c for k, c in zip(columns, cells, strict=True)]
        lines.append(line([_escaped(row["name"]), *cells]))
    lines += [
        "",
        "↑ higher is better, ↓ lower is better, → gold: best near the gold model. Bold: best of the methods.",
    ]
    lines += ["", *[f"- **{column.heading}**: {column.meaning}" for column in columns], ""]
    dagger = "† rests on made-up fields, see below: " if made else ""
    lines += [f"{dagger}{READING}", ""]
    lines += [f"- {_escaped(note)}" for note in report["notes"]]
    if faces := report.get("faces"):
        lines += _faces_lines(faces)
    return "\n".join(lines).rstrip() + "\n"


def page(
    report: Mapping[str, Any],
    made: Sequence[str],
    logs: Mapping[str, Mapping[str, TaskLog]],
    tasks: Mapping[str, Mapping[str, Any]],
    load: Callable[[str], Dataset],
) -> str:
    """Return the page: table, plot and answers, with style and pictures inside."""
    rows = report["rows"]
    columns = _columns(rows)
    points = [Point(row["name"], row["forget_quality_statistic"], row["model_utility"]) for row in rows]
    plots = {}
    for width in ("wide", "narrow"):
        for ground in ("light", "dark"):
            png = tradeoff_plot(points, dark=ground == "dark", narrow=width == "narrow")
            plots[f"{width}_{ground}"] = as_source(png)
    return render(
        "report.html.jinja",
        report=report,
        made=made,
        columns=columns,
        sides=Counter(column.side for column in columns),
        best={column.key: best_rows(column, rows) for column in columns},
        plain=plain,
        number=number,
        scientific=scientific,
        absent=ABSENT,
        reading=READING,
        points=points,
        plots=plots,
        task_title=task_title,
        intervals=[
            column
            for column in (*shown_columns(REPORT), *audit_columns(rows))
            if any(column.key in row["intervals"] for row in rows)
        ],
        sections=answer_sections(logs, tasks, load),
        people=people_rows(rows, tasks, load),
        face_scores=face_scores,
        faces_about=FACES_ABOUT,
    )


def render(template: str, **values: Any) -> str:
    """Return the page of a template of this folder."""
    # Autoescape by hand: a template's name ends in .jinja, and what models say may hold anything.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(**values)


def as_source(png: bytes) -> str:
    """Return a picture as the `src` of an image inside the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def head_lines(titles: Sequence[str]) -> list[str]:
    """Return the head of a Markdown table whose first column is text and whose others are numbers."""
    return [line(titles), line(["---", *["---:"] * (len(titles) - 1)])]


def _faces_lines(faces: Mapping[str, Any]) -> list[str]:
    """Return the table of the visual track."""
    titles = ["model", *face_scores.COLUMNS, *(f"paper: {title}" for title in face_scores.COLUMNS)]
    lines = ["", "## Faces", "", FACES_ABOUT, "", *head_lines(titles)]
    for row in faces["rows"]:
        own = [" ".join(cell).rstrip() for cell in face_scores.cells(row)]
        lines.append(line([_escaped(row["name"]), *own, *face_scores.paper_cells(row["paper"])]))
    return [*lines, "", *(f"- **{title}**: {meaning}" for title, meaning in face_scores.COLUMNS.items())]


def _mark(column: Column, made: bool) -> str:
    return "†" if made and column.wrong_answers else ""


def _factsline(report: Mapping[str, Any]) -> list[str]:
    facts = [f"{_escaped(name)} {_escaped(value)}" for name, value in report["settings"].items() if value is not None]
    sizes = [f"{task_title(key)} {size['rows']}" for key, size in report["sizes"].items()]
    return [", ".join(facts), "", f"Rows scored: {'; '.join(sizes)}."]


def _escaped(value: Any) -> str:
    """Return text that means nothing else in a Markdown table."""
    text = str(value).replace("\n", " ")
    for sign in ("\\", "|", "*", "<", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text
