"""The histograms of the logits: what an attacker sees of photos that were forgotten, and of those never seen."""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clear_pipeline.report.tradeoff import DARK, DPI, LIGHT

BINS = 36
COLUMNS = 4
NAMES = ("holdout: never seen", "forget")


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
    rows = -(-len(methods) // COLUMNS)
    figure = Figure(figsize=(2.5 * COLUMNS, 1.7 * rows + 0.6), dpi=DPI, layout="constrained")
    figure.patch.set_alpha(0)
    grid = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
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
        elif number + COLUMNS >= len(methods):
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
