"""The ledger of people: from logs of a model, of several golds and of the original, who is still known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluate_metrics.gold_distance.compute import gold_distance
from evaluate_metrics.log_format import TaskLog

FEWEST_GOLDS = 3  # a gold's own log is compared with the other two


@dataclass(frozen=True)
class Ledger:
    """The distance to gold and its notes.

    Attributes:
        found: What `gold_distance` returns; empty if there are too few golds.
        notes: What could not be had and why.
    """

    found: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def numbers(self) -> dict[str, Any]:
        """Return the numbers of the table of scores, None where there are none."""
        found = self.found
        return {
            "gold_share": found.get("share"),
            "gold_signed_share": found.get("signed_share"),
            "gold_distance": found.get("distance"),
            "gold_rank": found.get("rank_p"),
            "still_known": len(found["still_known"]) if found.get("bound") is not None else None,
            "over_forgotten": len(found["over_forgotten"]) if found.get("bound") is not None else None,
        }

    def intervals(self) -> dict[str, list[float]]:
        """Return the intervals of these numbers."""
        ends = self.found.get("intervals", {})
        keys = {"gold_share": "share", "gold_signed_share": "signed_share"}
        return {key: ends[name] for key, name in keys.items() if name in ends}


def ledger_of(
    task: TaskLog | None, golds: Sequence[TaskLog], original: TaskLog | None, people: Sequence[str] | None
) -> Ledger:
    """Compare the forget task of a log with those of several gold models.

    Args:
        task: Of the log; None if it lacks the task.
        golds: Of gold models of different seeds; the log itself may be one of them: it is compared with the others.
        original: Of the original model, for the shares.
        people: The person of each row, None if unknown.
    """
    if task is None or not (golds or original):
        return Ledger()
    if len(golds) < FEWEST_GOLDS:
        return Ledger(notes=[f"no distance to gold (E): it needs {FEWEST_GOLDS} gold logs; there are {len(golds)}"])
    model, *several = [one.truth_ratios().tolist() for one in (task, *golds)]
    others = [ratios for ratios in several if ratios != model]
    try:
        found = gold_distance(model, others, None if original is None else original.truth_ratios().tolist(), people)
    except ValueError as error:
        return Ledger(notes=[f"no distance to gold (E): {error}"])
    notes = [
        *found["warnings"],
        *([] if original is not None else ["no share of E: it needs the log of the original"]),
    ]
    return Ledger(found, notes)
