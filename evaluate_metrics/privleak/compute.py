"""PrivLeak: how far a membership attack's AUC is from the gold model's (MUSE, arXiv 2407.06460, section 3)."""

import math
from collections.abc import Sequence

import numpy as np


def privleak(auc: float, gold_auc: float) -> dict[str, float]:
    """Return how much more, or less, the forgotten people stand out than under the gold model.

    Args:
        auc: How often the attack on the unlearned model puts a forgotten example above a held-out one, 0 to 1.
        gold_auc: The same on the gold model.

    Returns:
        `privleak` as MUSE and open-unlearning print it, in percent: (A - A_gold) / A_gold with A = 1 - AUC, since
        they count from the other side. 0 is as gold; below, the people are still known; above, they stand out by
        being unlearned. `relative_difference`: (AUC - AUC_gold) / AUC_gold in percent, with the AUC as given.

    Raises:
        ValueError: If an AUC is not between 0 and 1, or gold's is 0 or 1, from which there is no relative difference.
    """
    for name, value in (("auc", auc), ("gold_auc", gold_auc)):
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError(f"{name} must be between 0 and 1, not {value}")
    if gold_auc in (0, 1):
        raise ValueError(f"the gold model's AUC is {gold_auc}: nothing is relative to that")
    return {
        "privleak": 100 * ((1 - auc) - (1 - gold_auc)) / (1 - gold_auc),
        "relative_difference": 100 * (auc - gold_auc) / gold_auc,
    }


def attack_auc(scores: Sequence[float], labels: Sequence[int]) -> float:
    """Return the AUC of an attack: how often a forgotten example's score is above a held-out one's; ties count half.

    Args:
        scores: The higher, the more an example looks learnt.
        labels: 1 for the forget set, 0 for held-out people.

    Raises:
        ValueError: If a side is missing, the numbers differ, or a score is not finite.
    """
    values, member = np.asarray(scores, dtype=float).reshape(-1), np.asarray(labels).reshape(-1)
    if len(values) != len(member) or {*member.tolist()} != {0, 1}:
        raise ValueError(f"needs a label of 0 or 1 for each of {len(values)} scores, and both; seen {len(member)}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    above = values[member == 1][:, None] - values[member == 0]
    return float(((above > 0) + (above == 0) / 2).mean())
