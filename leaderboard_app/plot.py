"""The plot as SVG: forget quality D against utility, with gold, original and the gate. It needs no library."""

from collections.abc import Sequence
from dataclasses import dataclass

from .board import Board, BoardRow
from .html import render
from .ranking import GATE

WIDTH, HEIGHT = 640, 440
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 18, 54
LABELLED = 12  # so many of the best are named; the others say their name when pointed at


@dataclass(frozen=True)
class Mark:
    """A model in the plot: where it stands in pixels, what it is, and what it is called."""

    x: float
    y: float
    kind: str
    id: int | None
    name: str
    about: str
    labelled: bool
    anchor: str


@dataclass(frozen=True)
class Tick:
    """A number beside an axis, and where."""

    at: float
    text: str


def plot_html(board: Board, title: str) -> str:
    """The plot of the rows of one base model and forget set.

    Args:
        board: Rows and references; those without D or utility are left out.
        title: Of what.
    """
    rows = [row for row in (*board.rows, *board.references) if None not in (row.numbers["d"], row.numbers["utility"])]
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


def _marks(rows: Sequence[BoardRow], across, up) -> list[Mark]:
    marks = []
    for place, row in enumerate(rows):
        d, utility = float(row.numbers["d"] or 0), float(row.numbers["utility"] or 0)
        x = across(d)
        kind = row.role if row.id is None else "ranked" if row.rank else "below" if row.verified else "unverified"
        labelled = row.id is None or place < LABELLED
        about = f"{row.method}: D {d:.3f}, utility {utility:.3f}" + (f", rank {row.rank}" if row.rank else "")
        anchor = "end" if x > WIDTH / 2 else "start"
        marks.append(Mark(round(x, 1), round(up(utility), 1), kind, row.id, row.method[:24], about, labelled, anchor))
    return marks
