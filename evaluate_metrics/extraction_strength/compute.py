"""Extraction strength: how much of an answer follows by itself from its beginning (arXiv 2406.09179, section 3)."""

from collections.abc import Sequence

import numpy as np


def extraction_strengths(hits: Sequence[Sequence[int]]) -> np.ndarray:
    """Return extraction strength of each example.

    1 - k / T, with T the number of tokens and k the shortest beginning after which every further token is the most
    probable one: 1 if the model says the answer from the start, 0 if even the last token is another one.

    Args:
        hits: 1 where the answer's token is the most probable one, else 0 [examples, tokens]; of any lengths.

    Raises:
        ValueError: If there is no example, one has no tokens, or a value is neither 0 nor 1.
    """
    if not len(hits):
        raise ValueError("no examples")
    strengths = []
    for number, row in enumerate(hits):
        hit = np.asarray(row, dtype=float).reshape(-1)
        if not len(hit) or not np.isin(hit, (0, 1)).all():
            raise ValueError(f"example {number}: hits must be 0 or 1 and at least one, not {list(row)[:5]}")
        misses = np.flatnonzero(hit == 0)
        strengths.append(1 - (misses[-1] + 1 if len(misses) else 0) / len(hit))
    return np.array(strengths)


def extraction_strength(hits: Sequence[Sequence[int]]) -> float:
    """Mean extraction strength of the examples, see `extraction_strengths`."""
    return float(extraction_strengths(hits).mean())
