"""Truth ratio: how much likelier wrong answers are than the right one (TOFU, arXiv 2401.06121, equation 1)."""

from collections.abc import Sequence

import numpy as np


def truth_ratio_terms(
    paraphrased: Sequence[float],
    wrong: Sequence[Sequence[float]],
    kind: str = "forget",
    paper: str | None = None,
) -> np.ndarray:
    """Return what each example adds to the truth ratio of a task.

    With R = exp(mean wrong loss - paraphrased loss) of an example, that is min(R, 1/R) on the forget set (1: the truth
    is as likely as the lies) and max(0, 1 - 1/R) elsewhere (1: the truth is far likelier).

    Args:
        paraphrased: Loss per token of the paraphrased right answer, in nats [examples].
        wrong: Loss per token of the wrong answers, in nats [examples, wrong answers].
        kind: `forget` or `other`.
        paper: `clear`: the mean wrong loss is that of all examples together, as in CLEAR's scripts
            (arXiv 2410.18057), so that the wrong answers of one example count in the ratio of every other.

    Raises:
        ValueError: If kind or paper is unknown, or a loss is missing or not finite.
    """
    if kind not in ("forget", "other") or paper not in (None, "clear"):
        raise ValueError(f"kind must be forget or other, not {kind!r}, and paper None or 'clear', not {paper!r}")
    right = np.asarray(paraphrased, dtype=float)
    if not len(right) or len(right) != len(wrong) or any(len(row) == 0 for row in wrong):
        raise ValueError(f"needs wrong answers for each of {len(right)} examples; seen {len(wrong)} rows")
    mean_wrong = np.array([np.mean(row) for row in wrong], dtype=float)
    if not (np.isfinite(right).all() and np.isfinite(mean_wrong).all()):
        raise ValueError("losses must be finite")
    if paper == "clear":
        mean_wrong = np.full(len(right), np.mean(np.concatenate([np.asarray(row, dtype=float) for row in wrong])))
    gap = mean_wrong - right  # log R
    if kind == "forget":
        return np.exp(-np.abs(gap))
    return np.maximum(0.0, -np.expm1(-np.maximum(gap, 0.0)))


def truth_ratio(
    paraphrased: Sequence[float], wrong: Sequence[Sequence[float]], kind: str = "forget", paper: str | None = None
) -> float:
    """Mean truth ratio of a task, see `truth_ratio_terms`."""
    return float(truth_ratio_terms(paraphrased, wrong, kind, paper).mean())
