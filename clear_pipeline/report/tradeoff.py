"""The trade-off plot: how near to gold a model comes on the forget set against what it keeps."""

import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels
Line = tuple[tuple[float, float], tuple[float, float]]

DPI = 200
GAPS = (9, 15, 24, 36, 50, 66, 84, 104, 126)  # points between a marker's centre and its label
ANGLES = tuple(math.radians(angle) for angle in (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240))
CROSSING = 30  # points: a label moves so far rather than lie on a line, and any distance rather than on a label
NEAR = 15  # a label further away than so many points gets a line to its marker


@dataclass(frozen=True)
class Point:
    """A model in the plot: its name, its distance D to gold, its model utility."""

    name: str
    distance: float
    utility: float


@dataclass(frozen=True)
class Ink:
    """Colours on a light or a dark page."""

    text: str
    faint: str
    method: str
    gold: str


LIGHT = Ink(text="#24211c", faint="#b9b3a6", method="#a8442a", gold="#a97c00")
DARK = Ink(text="#e9e4da", faint="#5b564c", method="#e58a6c", gold="#e3b94d")


def tradeoff_plot(points: Sequence[Point], dark: bool = False, narrow: bool = False) -> bytes:
    """Draw the plot on a transparent ground.

    Args:
        points: The models; `original` and `gold` are drawn as what they are.
        dark: For a dark page.
        narrow: For a telephone: nearly square, so that the letters stay legible.

    Returns:
        A PNG file.
    """
    ink = DARK if dark else LIGHT
    figure = Figure(figsize=(4.2, 4.4) if narrow else (7.0, 4.4), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    axes: Axes = figure.add_subplot()
    _frame(
        axes,
        points,
        ink,
        "distance D to gold   (nearer →)" if narrow else "distance D to gold on the forget set   (nearer →)",
    )
    original = next(point for point in points if point.name == "original")
    for point in points:
        marker, size, face, edge = _marker(point.name, ink)
        if point.name not in ("original", "gold"):
            axes.plot(
                (original.distance, point.distance), (original.utility, point.utility),
                color=ink.faint, linewidth=0.8, zorder=1,
            )  # fmt: skip
        axes.scatter(
            point.distance, point.utility, marker=marker, s=size, color=face, edgecolor=edge, linewidth=1.4, zorder=3
        )
    canvas.draw()  # settles the layout: labels are placed in pixels
    _label(axes, canvas, points, ink)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True, metadata={"Software": None})
    return buffer.getvalue()


def _frame(axes: Axes, points: Sequence[Point], ink: Ink, distance: str) -> None:
    axes.patch.set_alpha(0)
    low, high = min(point.utility for point in points), max(point.utility for point in points)
    room = max(0.08, 0.15 * (high - low))
    axes.set_xlim(1.04, -0.04)  # nearer to gold is further right
    axes.set_ylim(max(-0.03, low - room), min(1.04, high + room))
    axes.set_xlabel(distance, color=ink.text)
    axes.set_ylabel("model utility   (kept more →)", color=ink.text)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(ink.faint)
    axes.tick_params(colors=ink.text, labelsize=9, length=3, color=ink.faint)
    axes.axhline(
        next(point.utility for point in points if point.name == "gold"),
        color=ink.gold, linewidth=0.8, linestyle=(0, (4, 4)), zorder=0,
    )  # fmt: skip


def _marker(name: str, ink: Ink) -> tuple[str, int, str, str]:
    """Return shape, size in square points, face and edge."""
    if name == "gold":
        return "*", 210, ink.gold, ink.gold
    if name == "original":
        return "D", 60, "none", ink.text
    return "o", 55, ink.method, ink.method


def _label(axes: Axes, canvas: FigureCanvasAgg, points: Sequence[Point], ink: Ink) -> None:
    pixel = DPI / 72  # pixels in a point
    anchors = axes.transData.transform([(point.distance, point.utility) for point in points])
    texts = [axes.annotate(point.name, (0, 0), xycoords="figure pixels", fontsize=10, color=ink.text,
                           weight="bold" if point.name == "gold" else "normal", ha="center", va="center", zorder=4)
             for point in points]  # fmt: skip
    extents = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    sizes = np.array([(extent.width, extent.height) for extent in extents]) + 2 * pixel  # air between them
    area = axes.get_window_extent()
    names = [point.name for point in points]
    start, golden = anchors[names.index("original")], anchors[names.index("gold")]
    lines = [((area.x0, golden[1]), (area.x1, golden[1])), *((tuple(start), tuple(end)) for end in anchors)]
    ground = (area.x0, area.y0, canvas.figure.bbox.x1, canvas.figure.bbox.y1)
    boxes = place_labels(anchors, sizes, ground, lines, pixel)
    for text, anchor, (left, bottom, right, top) in zip(texts, anchors, boxes, strict=True):
        text.set_position(((left + right) / 2, (bottom + top) / 2))
        near = (min(max(anchor[0], left), right), min(max(anchor[1], bottom), top))
        if math.dist(near, anchor) > NEAR * pixel:
            axes.annotate("", near, tuple(anchor), xycoords="figure pixels", textcoords="figure pixels", zorder=2,
                          arrowprops={"arrowstyle": "-", "color": ink.faint, "linewidth": 0.8})  # fmt: skip


def place_labels(
    anchors: np.ndarray, sizes: np.ndarray, area: Box, lines: Sequence[Line] = (), pixel: float = 1.0
) -> list[Box]:
    """Find a place for each label near its marker that covers no other label and no marker.

    Greedy: in the given order, each label takes the cheapest of the places around its marker, where covering
    something or leaving the area costs more than any distance.

    Args:
        anchors: Centres of the markers in pixels [labels, 2].
        sizes: Width and height of the labels in pixels [labels, 2].
        area: Where labels may stand.
        lines: Lines that labels should not lie on.
        pixel: Pixels in a typographic point.

    Returns:
        The box of each label.
    """
    radius = 6 * pixel
    markers = [(x - radius, y - radius, x + radius, y + radius) for x, y in anchors]
    placed: list[Box] = []
    for (x, y), (width, height) in zip(anchors, sizes, strict=True):
        best, least = (0.0, 0.0, 0.0, 0.0), math.inf
        for gap, angle in itertools.product(GAPS, ANGLES):
            middle_x = x + math.cos(angle) * (gap * pixel + width / 2)
            middle_y = y + math.sin(angle) * (gap * pixel + height / 2)
            box = (middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
            covered = sum(_overlap(box, other) for other in (*placed, *markers))
            outside = width * height - _overlap(box, area)
            leader = ((x, y), (middle_x, middle_y))
            crossing = any(_crosses(line, box) for line in lines) or any(_crosses(leader, other) for other in placed)
            cost = gap + CROSSING * crossing
            cost += 1000 + covered + outside if covered + outside > 1e-6 else 0
            if cost < least:
                best, least = box, cost
        placed.append(best)
    return placed


def _crosses(line: Line, box: Box) -> bool:
    """Return whether a line has a point in a box (Liang and Barsky's clipping)."""
    (x0, y0), (x1, y1) = line
    enter, leave = 0.0, 1.0
    for step, low, high in ((x1 - x0, box[0] - x0, box[2] - x0), (y1 - y0, box[1] - y0, box[3] - y0)):
        if step == 0:
            if low > 0 or high < 0:
                return False
            continue
        enter, leave = max(enter, min(low / step, high / step)), min(leave, max(low / step, high / step))
    return enter <= leave


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, in square pixels."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
