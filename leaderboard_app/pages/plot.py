"""The plot as SVG: distance from gold against utility, with gold, original and the gate. It needs no library."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from leaderboard_app.store.board import Board, BoardRow
from leaderboard_app.store.ranking import GATE

from . import render

WIDTH, HEIGHT = 460, 360
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 12, 48
BESIDE, LETTER, LINE = 11, 6.7, 15  # pixels: from marker to label, a letter's width, a line's height
MARKER = 7  # pixels: half a marker's width
DISTANCES = {"e": "|E|: what is left of the distance to gold", "d": "D: distance to gold on the forget set"}
LABELLED = 8  # so many of the best are named; the others say their name when pointed at


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


def plots_html(boards: Mapping[str, Board], left_out: int = 0) -> str:
    """Return the plots of several base models and forget sets, side by side.

    Args:
        boards: By title; those without a row are not drawn.
        left_out: How many more there are.
    """
    plots = [plot_html(board, title) for title, board in boards.items() if board.rows]
    return render("plots.html.jinja", plots=plots, left_out=left_out)


def plot_html(board: Board, title: str) -> str:
    """Return the plot of the rows of one base model and forget set.

    Args:
        board: Rows and references; those without distance or utility are left out. The distance is that by which
            rows are ranked: |E| if all that are verified have it, else D.
        title: Of what.
    """
    shares = [row.numbers["e"] for row in board.rows if row.verified and row.above_gate]
    ranked_by = "e" if shares and None not in shares else "d"
    every = (*board.references, *board.rows)
    rows = [row for row in every if None not in (row.numbers[ranked_by], row.numbers["utility"])]
    if not rows:
        return render("plot.html.jinja", empty=True)
    utilities = [float(row.numbers["utility"] or 0) for row in rows]
    low, high = max(0.0, min(utilities) - 0.06), min(1.0, max(utilities) + 0.06)
    original = next((row for row in board.references if row.role == "original"), None)
    gate = None if original is None else GATE * float(original.numbers["utility"] or 0)

    def across(d: float) -> float:
        return LEFT + (1.03 - min(d, 1.03)) / 1.06 * (WIDTH - LEFT - RIGHT)  # nearer to gold is further right

    def up(utility: float) -> float:
        return HEIGHT - BOTTOM - (utility - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    return render(
        "plot.html.jinja",
        empty=False,
        title=title,
        drawn=len(board.rows),
        left_out=board.total - len(board.rows),
        distance=DISTANCES[ranked_by],
        marks=_marks(rows, ranked_by, across, up),
        gate=None if gate is None or not low <= gate <= high else Tick(up(gate), f"gate {gate:.2f}"),
        across=[Tick(across(n / 5), f"{n / 5:.1f}") for n in range(6)],
        up=[Tick(up(n / 10), f"{n / 10:.1f}") for n in range(11) if low <= n / 10 <= high],
        size=(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM),
    )


def _marks(
    rows: Sequence[BoardRow], ranked_by: str, across: Callable[[float], float], up: Callable[[float], float]
) -> list[Mark]:
    marks = []
    places = [(across(abs(row.numbers[ranked_by] or 0)), up(row.numbers["utility"] or 0)) for row in rows]
    # By markers, and then by labels too.
    taken: list[tuple[float, float, float]] = [(x - MARKER, y, 2 * MARKER) for x, y in places]
    for place, (row, (x, y)) in enumerate(zip(rows, places, strict=True)):
        distance, utility, name = row.numbers[ranked_by] or 0, row.numbers["utility"] or 0, row.method[:24]
        kind = row.role if row.id is None else "ranked" if row.rank else "below" if row.verified else "unverified"
        about = f"{row.method}: {ranked_by.upper()} {distance:.3f}, utility {utility:.3f}" + (
            f", rank {row.rank}" if row.rank else ""
        )
        left, label = x > WIDTH / 2, None
        if row.id is None or place < LABELLED:
            left, label = _free_place(x, y, LETTER * len(name), left, taken)
        marks.append(Mark(round(x, 1), round(y, 1), kind, row.id, name, about, label, left))
    return marks


def _free_place(
    x: float, y: float, width: float, left: bool, taken: list[tuple[float, float, float]]
) -> tuple[bool, float | None]:
    """Return the side and the height nearest to a marker at which its label covers nothing; None if there is none."""
    for step in (0, 1, -1, 2, -2):
        for side in (left, not left):
            start, height = x - BESIDE - width if side else x + BESIDE, y + step * LINE
            inside = start >= LEFT and start + width <= WIDTH
            if inside and all(abs(height - h) >= LINE or start >= other + w or other >= start + width
                              for other, h, w in taken):  # fmt: skip
                taken.append((start, height, width))
                return side, round(height + 5, 1)
    return left, None
