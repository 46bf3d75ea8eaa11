"""The report of a visual run: report.json for programs, report.md, report.html, and the histograms as pictures."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .histograms import logit_histograms

SCHEMA = 1
# The paper's numbers (CLEAR, arXiv 2410.18057): forget, holdout and retain accuracy in percent, U-LIRA, U-MIA.
PAPER: dict[str, tuple[float, float, float, float, float]] = {
    "original": (100, 18.5, 100, 1.00, 0.96),
    "gold": (15.43, 15.04, 97.52, 0.50, 0.50),
    "retain_finetune": (100, 18.54, 100, 1.0, 0.92),
    "scrub": (99.74, 16.77, 99.93, 0.98, 0.90),
    "scrub_bio": (42.59, 14.25, 99.44, 0.71, 0.57),
    "llmu": (85.72, 14.62, 88.99, 0.83, 0.75),
    "rmu": (67.97, 17.27, 99.99, 0.77, 0.60),
    "dpo": (50.21, 13.93, 81.49, 0.73, 0.62),
    "sparsity": (66.41, 14.44, 83.57, 0.78, 0.73),
    "twins": (50.0, 20.34, 99.72, 0.73, 0.54),
}
COLUMNS = {
    "forget": "Share of the photos of forgotten people that are taken for the right person; best near gold.",
    "holdout": "The same of people that the model never saw.",
    "retain": "The same of the people to keep; higher is better.",
    "U-LIRA": "How often an attacker with shadow models, who knows each photo, is right that it was forgotten rather "
    "than never seen; .5 is best, and 1 is the worst.",
    "U-MIA": "The same of an attacker with one decision tree for all photos.",
}
READING = (
    "Nearness to gold is what counts: a model that takes forgotten people for others more often than gold has not "
    "forgotten better. An attack below .5 on few models is chance, not protection. Intervals are over people, not "
    "over other trainings."
)


def write_report(
    output: Path, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], logits: pa.Table
) -> dict[str, Any]:
    """Write report.json, report.md, report.html and histograms.png; what was there stays until all are ready.

    Args:
        output: Folder of the run.
        about: What the run is.
        rows: One for each method; see `scores.table_rows`.
        logits: See `scores.gather`.

    Returns:
        The content of report.json.
    """
    methods = [row["name"] for row in rows]
    report = {
        "schema": SCHEMA,
        "kind": "visual",
        **about,
        "rows": [{**row, "paper": _paper(row["name"])} for row in rows],
    }
    pictures = {ground: logit_histograms(logits, methods, ground == "dark") for ground in ("light", "dark")}
    pages = {
        "report.json": (json.dumps(report, indent=2, allow_nan=False) + "\n").encode(),
        "report.md": markdown(report).encode(),
        "report.html": page(report, pictures).encode(),
        "histograms.png": pictures["light"],
    }
    for name, content in pages.items():
        (output / f"{name}.part").write_bytes(content)
    for name in pages:
        (output / f"{name}.part").rename(output / name)
    return json.loads(pages["report.json"])


def _paper(method: str) -> dict[str, float] | None:
    names = ("forget", "holdout", "retain", "u_lira", "u_mia")
    if method not in PAPER:
        return None
    scale = (100, 100, 100, 1, 1)
    return {name: round(value / s, 4) for name, value, s in zip(names, PAPER[method], scale, strict=True)}


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return the numbers of a row as text: three accuracies in percent, two attacks with their intervals, the time."""
    attacks = []
    for name in ("u_lira", "u_mia"):
        interval = row[name]["intervals"].get(name)
        between = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
        attacks.append(f"{row[name][name]:.2f}{between}")
    return [*(f"{100 * row[name]:.1f}" for name in ("forget", "holdout", "retain")), *attacks]


def further_cells(row: Mapping[str, Any]) -> list[str]:
    """AUC and true positive rates at 1 % and .1 % false ones, of both attacks, and the seconds of a training."""
    keys = ("auc", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001")
    return [*(f"{row[name][key]:.3f}" for name in ("u_lira", "u_mia") for key in keys), f"{row['seconds']:.1f}"]


def paper_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the paper's numbers of a row as text."""
    paper = row["paper"]
    if paper is None:
        return ["–"] * 5
    accuracies = [f"{100 * paper[name]:.1f}" for name in ("forget", "holdout", "retain")]
    return [*accuracies, f"{paper['u_lira']:.2f}", f"{paper['u_mia']:.2f}"]


FURTHER = (
    "U-LIRA AUC", "U-LIRA TPR at 1 %", "U-LIRA TPR at .1 %", "U-MIA AUC", "U-MIA TPR at 1 %", "U-MIA TPR at .1 %",
    "seconds",
)  # fmt: skip


def markdown(report: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    head = ["method", "forget %", "holdout %", "retain %", "U-LIRA", "U-MIA"]
    titles = [*head, *(f"paper: {name}" for name in head[1:])]
    facts = ", ".join(f"{name} {value}" for name, value in report["dials"].items())
    lines = [f"# Faces forgotten: {report['dials']['forget']}", "", facts, "", _line(titles)]
    lines.append(_line(["---", *["---:"] * (len(titles) - 1)]))
    lines += [_line([row["name"], *cells(row), *paper_cells(row)]) for row in report["rows"]]
    lines += ["", *(f"- **{name}**: {what}" for name, what in COLUMNS.items()), "", READING, ""]
    lines += [
        "The paper's columns are of 128 ResNet-18 and photos of 200 people: for orientation, not for comparison.",
        "",
        _line(["method", *FURTHER]),
        _line(["---", *["---:"] * len(FURTHER)]),
        *(_line([row["name"], *further_cells(row)]) for row in report["rows"]),
        "",
        "![Logits of forgotten and unseen photos](histograms.png)",
    ]
    return "\n".join(lines) + "\n"


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


def page(report: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Return the page, with style and pictures inside."""
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader([folder, folder.parent / "report"]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    inside = {name: f"data:image/png;base64,{base64.b64encode(png).decode()}" for name, png in pictures.items()}
    return environment.get_template("report_visual.html.jinja").render(
        report=report, pictures=inside, cells=cells, further_cells=further_cells, paper_cells=paper_cells,
        columns=COLUMNS, further=FURTHER, reading=READING,
    )  # fmt: skip
