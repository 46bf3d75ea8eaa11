"""Exact memorization: how many tokens of an answer are the model's own choice (arXiv 2205.10770, section 3)."""

from collections.abc import Sequence

import numpy as np


def exact_memorizations(hits: Sequence[Sequence[int]]) -> np.ndarray:
    """Share of the tokens of each example that are the most probable ones.

    Args:
        hits: 1 where the answer's token is the most probable one, else 0 [examples, tokens]; of any lengths.

    Raises:
        ValueError: If there is no example, one has no tokens, or a value is neither 0 nor 1.
    """
    if not len(hits):
        raise ValueError("no examples")
    shares = []
    for number, row in enumerate(hits):
        hit = np.asarray(row, dtype=float).reshape(-1)
        if not len(hit) or not np.isin(hit, (0, 1)).all():
            raise ValueError(f"example {number}: hits must be 0 or 1 and at least one, not {list(row)[:5]}")
        shares.append(hit.mean())
    return np.array(shares)


def exact_memorization(hits: Sequence[Sequence[int]]) -> float:
    """Mean share over the examples, see `exact_memorizations`."""
    return float(exact_memorizations(hits).mean())
