"""The plot as SVG: forget quality D against utility, with gold, original and the gate. It needs no library."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboard_app.store.board import Board, BoardRow
from leaderboard_app.store.ranking import GATE

from . import render

WIDTH, HEIGHT = 640, 440
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 18, 54
BESIDE, LETTER, LINE = 14, 7.5, 17  # pixels: from marker to label, a letter's width, a line's height
LABELLED = 12  # so many of the best are named; the others say their name when pointed at


@dataclass(frozen=True)
class Mark:
    """A model in the plot: where it stands in pixels, what it is, what it is called, and where its label stands.

    Attributes:
        label: Height of its label; None without one.
        left: Whether the label stands left of the marker.
    """

    x: float
    y: float
    kind: str
    id: int | None
    name: str
    about: str
    label: float | None
    left: bool


@dataclass(frozen=True)
class Tick:
    """A number beside an axis, and where."""

    at: float
    text: str


def plot_html(board: Board, title: str) -> str:
    """Return the plot of the rows of one base model and forget set.

    Args:
        board: Rows and references; those without D or utility are left out.
        title: Of what.
    """
    rows = [row for row in (*board.references, *board.rows) if None not in (row.numbers["d"], row.numbers["utility"])]
    if not rows:
        return render("plot.html.jinja", empty=True)
    utilities = [float(row.numbers["utility"] or 0) for row in rows]
    low, high = max(0.0, min(utilities) - 0.06), min(1.0, max(utilities) + 0.06)
    original = next((row for row in board.references if row.role == "original"), None)
    gate = None if original is None else GATE * float(original.numbers["utility"] or 0)

    def across(d: float) -> float:
        return LEFT + (1.03 - d) / 1.06 * (WIDTH - LEFT - RIGHT)  # nearer to gold is further right

    def up(utility: float) -> float:
        return HEIGHT - BOTTOM - (utility - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    return render(
        "plot.html.jinja",
        empty=False,
        title=title,
        marks=_marks(rows, across, up),
        gate=None if gate is None or not low <= gate <= high else Tick(up(gate), f"gate {gate:.2f}"),
        across=[Tick(across(n / 5), f"{n / 5:.1f}") for n in range(6)],
        up=[Tick(up(n / 10), f"{n / 10:.1f}") for n in range(11) if low <= n / 10 <= high],
        size=(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM),
    )


def _marks(rows: Sequence[BoardRow], across: Callable[[float], float], up: Callable[[float], float]) -> list[Mark]:
    marks, taken = [], []
    for place, row in enumerate(rows):
        d, utility = float(row.numbers["d"] or 0), float(row.numbers["utility"] or 0)
        x, y, name = round(across(d), 1), round(up(utility), 1), row.method[:24]
        kind = row.role if row.id is None else "ranked" if row.rank else "below" if row.verified else "unverified"
        about = f"{row.method}: D {d:.3f}, utility {utility:.3f}" + (f", rank {row.rank}" if row.rank else "")
        left = x > WIDTH / 2
        label = None
        if row.id is None or place < LABELLED:
            label = _free_height(x - BESIDE - LETTER * len(name) if left else x + BESIDE, y, LETTER * len(name), taken)
        marks.append(Mark(x, y, kind, row.id, name, about, label, left))
    return marks


def _free_height(x: float, y: float, width: float, taken: list[tuple[float, float, float]]) -> float | None:
    """Return the height nearest to the marker at which a label covers no other; None if there is none nearby."""
    for step in (0, 1, -1, 2, -2, 3, -3):
        height = y + step * LINE
        if all(abs(height - h) >= LINE or x >= left + w or left >= x + width for left, h, w in taken):
            taken.append((x, height, width))
            return round(height + 5, 1)
    return None
