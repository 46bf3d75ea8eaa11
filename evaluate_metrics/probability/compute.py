"""Probability of the right answer, by itself or among wrong ones (TOFU, arXiv 2401.06121, section 2.2)."""

from collections.abc import Sequence

import numpy as np


def probabilities(right: Sequence[float], wrong: Sequence[Sequence[float]] | None = None) -> np.ndarray:
    """Return the probability of the right answer of each example.

    With g the loss per token of the right answer and q_j those of the wrong ones, that is exp(-g), or
    exp(-g) / (exp(-g) + sum_j exp(-q_j)) where wrong answers are given.

    Args:
        right: Loss per token, in nats [examples].
        wrong: Losses per token, in nats [examples, wrong answers], or None.

    Raises:
        ValueError: If there is no example, or a loss is not finite.
    """
    losses = np.asarray(right, dtype=float)
    if not len(losses):
        raise ValueError("no examples")
    if wrong is not None and len(wrong) != len(losses):
        raise ValueError(f"{len(losses)} right answers, but wrong answers for {len(wrong)} examples")
    others = np.array([np.exp(-np.asarray(row, dtype=float)).sum() for row in wrong]) if wrong is not None else None
    if not np.isfinite(losses).all() or (others is not None and not np.isfinite(others).all()):
        raise ValueError("losses must be finite")
    own = np.exp(-losses)
    if others is None:
        return own
    total = own + others
    # Losses so large that all probabilities vanish say nothing for the right answer.
    return np.divide(own, total, out=np.zeros_like(own), where=total > 0)


def probability(right: Sequence[float], wrong: Sequence[Sequence[float]] | None = None) -> float:
    """Mean probability of the right answers, see `probabilities`."""
    return float(probabilities(right, wrong).mean())
