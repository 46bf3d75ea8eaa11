"""The report of a visual run: report.json for programs, report.md, report.html, and histograms of the logits."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clear_pipeline.report.pages import as_source, head_lines, line, render
from clear_pipeline.report.tradeoff import DARK, DPI, LIGHT
from clear_pipeline.runs.run_folder import write_files
from evaluate_metrics import face_scores
from evaluate_metrics.face_scores import ACCURACIES, ATTACKS, COLUMNS, SCHEMA, paper_cells

BINS = 36  # of a histogram
PANELS = 4  # histograms side by side
NAMES = ("holdout: never seen", "forget")
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
READING = (
    "Nearness to gold counts: a model that takes forgotten people for others more often than gold does has not "
    "forgotten better. An attack below .5 on few models is chance, not protection. Intervals are over people, not "
    "over other trainings."
)
FURTHER = (
    "U-LIRA AUC", "U-LIRA TPR at 1 %", "U-LIRA TPR at .1 %", "U-MIA AUC", "U-MIA TPR at 1 %", "U-MIA TPR at .1 %",
    "seconds",
)  # fmt: skip


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
    pages: dict[str, str | bytes] = {
        "report.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "report.md": markdown(report),
        "report.html": page(report, pictures),
        "histograms.png": pictures["light"],
    }
    write_files(output, pages)
    return json.loads(pages["report.json"])


def _paper(method: str) -> dict[str, float] | None:
    if method not in PAPER:
        return None
    scale = (100, 100, 100, 1, 1)
    names = (*ACCURACIES, *ATTACKS)
    return {name: round(value / s, 4) for name, value, s in zip(names, PAPER[method], scale, strict=True)}


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return the numbers of a row as text: three accuracies in percent, two attacks with their intervals."""
    return [" ".join(cell).rstrip() for cell in face_scores.cells(face_scores.face_row(row))]


def further_cells(row: Mapping[str, Any]) -> list[str]:
    """Return AUC and true positive rates at 1 % and .1 % false ones of both attacks, and the seconds of a training."""
    keys = ("auc", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001")
    return [*(f"{row[name][key]:.3f}" for name in ATTACKS for key in keys), f"{row['seconds']:.1f}"]


def markdown(report: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in report["dials"].items())
    lines = [f"# Faces forgotten: {report['dials']['forget']}", "", facts, ""]
    lines += head_lines(["method", *COLUMNS, *(f"paper: {name}" for name in COLUMNS)])
    lines += [line([row["name"], *cells(row), *paper_cells(row["paper"])]) for row in report["rows"]]
    lines += ["", *(f"- **{name}**: {what}" for name, what in COLUMNS.items()), "", READING, ""]
    lines += [
        "The paper's columns are of 128 ResNet-18 and photos of 200 people: for orientation, not for comparison.",
        "",
        *head_lines(["method", *FURTHER]),
        *(line([row["name"], *further_cells(row)]) for row in report["rows"]),
        "",
        "![Logits of forgotten and unseen photos](histograms.png)",
    ]
    return "\n".join(lines) + "\n"


def page(report: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Return the page, with style and pictures inside."""
    inside = {name: as_source(png) for name, png in pictures.items()}
    return render(
        "visual.html.jinja", report=report, pictures=inside, cells=cells, further_cells=further_cells,
        paper_cells=paper_cells, columns=COLUMNS, further=FURTHER, reading=READING,
    )  # fmt: skip


def logit_histograms(table: pa.Table, methods: Sequence[str], dark: bool = False) -> bytes:
    """Draw a panel for each method, on one scale.

    Args:
        table: Logits with the columns of `scores.COLUMNS`; enrolment photos are left out.
        methods: The panels, in order.
        dark: For a dark page.

    Returns:
        A PNG file on a transparent ground.
    """
    ink = DARK if dark else LIGHT
    table = table.filter(~pc.field("enrolment"))
    logits = table["logit"].to_numpy()
    low, high = np.quantile(logits, [0.002, 0.998])
    edges = np.linspace(low, high, BINS + 1)
    rows = -(-len(methods) // PANELS)
    figure = Figure(figsize=(2.5 * PANELS, 1.7 * rows + 0.6), dpi=DPI, layout="constrained")
    figure.patch.set_alpha(0)
    grid = figure.subplots(rows, PANELS, sharex=True, sharey=True, squeeze=False)
    shown = None
    for axes, method in zip(grid.flat, methods, strict=False):
        chosen = table.filter(pc.field("method") == method)
        member = chosen["member"].to_numpy().astype(bool)
        values = np.clip(chosen["logit"].to_numpy(), edges[0], edges[-1])
        sides = ((values[~member], ink.faint), (values[member], ink.method))
        shown = [axes.hist(v, edges, density=True, color=colour, alpha=0.62)[2] for v, colour in sides]
        axes.set_title(method, fontsize=9, color=ink.text, loc="left")
    for number, axes in enumerate(grid.flat):
        axes.set_facecolor("none")
        axes.set_yticks([])
        axes.tick_params(colors=ink.text, labelsize=8)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(ink.faint)
        if number >= len(methods):
            axes.set_visible(False)
        elif number + PANELS >= len(methods):
            axes.tick_params(labelbottom=True)
    figure.supxlabel("logit of the cosine to the own enrolment", fontsize=9, color=ink.text)
    if shown:
        legend = figure.legend(shown, NAMES, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
        for text in legend.get_texts():
            text.set_color(ink.text)
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", transparent=True)
    return content.getvalue()
