"""A training that alternates between passes over the forget rows and passes over the retain rows, as SCRUB's does.

All its passes are written down as one list of rows, so that the Trainer counts its steps and goes on after an
interruption as with any other list.
"""

import random
from typing import Any

from .rows import Drawn, SideCollator

Columns = dict[str, list[Any]]


def alternating_rows(
    sizes: dict[str, int], epochs: int, first_epochs: int, step: int, seed: int
) -> tuple[Columns, list[int]]:
    """Write down the rows of all passes; each pass takes its rows in an order of its own.

    Args:
        sizes: Number of rows of both sides, that which comes first in an epoch first.
        epochs: Number of epochs.
        first_epochs: The first side is passed over in so many of them, from the start.
        step: Rows in a step. No step has rows of two passes: the last one of a pass is filled up with rows that do not
            count (`filler`).
        seed: Draws the orders.

    Returns:
        The columns `index`, `side` and `filler`, and the number of steps at the end of each epoch.
    """
    columns: Columns = {"index": [], "side": [], "filler": []}
    ends = []
    first, second = sizes
    for epoch in range(epochs):
        for side in (first, second) if epoch < first_epochs else (second,):
            order = random.Random(f"{seed}/{epoch}/{side}").sample(range(sizes[side]), sizes[side])
            fillers = -len(order) % step
            columns["index"] += [*order, *([order[0]] * fillers)]
            columns["side"] += [side] * (len(order) + fillers)
            columns["filler"] += [False] * len(order) + [True] * fillers
        ends.append(len(columns["index"]) // step)
    return columns, ends


class PhaseCollator(SideCollator):
    """Turns rows of one pass into the batch of its side."""

    def draw(self, item: dict[str, Any], epoch: int) -> dict[str, Drawn]:
        """Return the row itself, on its side."""
        return {item["side"]: self.draws[item["side"]](item["index"], epoch)}
