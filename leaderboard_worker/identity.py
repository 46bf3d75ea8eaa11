"""Whether a submission is a gold model in other clothes, by what it does and not by what its weights look like.

Permuted neurons and heads, rescaled or rotated streams, another file or precision: none of them changes the losses of
the questions. Each gold has a way of its own to differ from the original, question by question, which comes from its
seed and which no method can know. So the change of a submission's losses is compared with the change of each gold's,
after what all other golds have in common with both is taken away: a partial correlation, which is 1 for the gold
itself, and near 0 for what was made without it.

How high it may be is measured with the golds alone. Of golds that are alike, the partial correlation r of two, given
all others, becomes r / (1 + r) given one more; so high a model is on average that was trained as they were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from evaluate_metrics.log_format import read_log

LOSSES = ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss")
FEWEST = 200  # losses: of fewer, chance alone comes near the bound
ABOVE = 1.5  # times what a further gold has: the highest that a submission may have
FROM_ONE = 0.25  # of the original's distance to the only gold, where golds cannot be compared with one another


@dataclass(frozen=True)
class Identity:
    """How much of each gold is in a submission.

    Attributes:
        shares: Partial correlation with each gold; empty if there are too few losses, or only one gold.
        bound: What none may reach; None without shares.
        refusal: Why it is refused; None if it is not.
    """

    shares: tuple[float, ...]
    bound: float | None
    refusal: str | None


def losses(log: Mapping[str, Any]) -> np.ndarray:
    """Return the losses of all answers of a log, right and wrong ones, in the order of tasks and rows [losses]."""
    found = []
    for name in sorted(log):
        for kind in LOSSES:
            rows = log[name].get(kind) or {}
            found += [np.ravel(rows[row]).astype(float) for row in sorted(rows, key=int)]
    return np.concatenate(found) if found else np.zeros(0)


def identity(submission: np.ndarray, golds: Sequence[np.ndarray], original: np.ndarray) -> Identity:
    """Compare a submission with the golds.

    Args:
        submission: Its losses [losses].
        golds: Those of gold models of different seeds, on the same questions.
        original: Those of the original.

    Raises:
        ValueError: If there are no golds, or the questions are others.
    """
    if not golds or len({len(one) for one in (submission, *golds, original)}) > 1:
        raise ValueError(f"the models answered {[len(one) for one in (submission, *golds, original)]} questions")
    if len(submission) < FEWEST:
        return Identity((), None, None)
    if len(golds) == 1:
        to_gold, whole = (float(np.sqrt(np.mean((one - golds[0]) ** 2))) for one in (submission, original))
        near = to_gold < FROM_ONE * whole
        said = f"it answers as the gold model does: {to_gold:.3g} nats from it, the original {whole:.3g}"
        return Identity((), None, said if near else None)
    changes = [np.arcsinh(gold - original) for gold in golds]  # as it is near 0, and far out as a logarithm
    own = np.arcsinh(submission - original)
    pairs = combinations(range(len(golds)), 2)
    between = max(_partial(changes[i], changes[j], _without(changes, i, j)) for i, j in pairs)
    bound = ABOVE * max(between, 0.0) / (1 + max(between, 0.0))
    shares = tuple(_partial(own, change, _without(changes, i)) for i, change in enumerate(changes))
    most = max(shares)
    if most < bound:
        return Identity(shares, bound, None)
    reason = (
        f"it is gold model {shares.index(most) + 1}, or made from it: its losses differ from the original's as that "
        f"one's do ({most:.2f}, where less than {bound:.2f} is to be expected without it)"
    )
    return Identity(shares, bound, reason)


def identify(
    submission: Mapping[str, Any], golds: Sequence[Mapping[str, Any]], original: Mapping[str, Any]
) -> Identity:
    """Compare the log of a submission with those of the golds and of the original.

    Raises:
        ValueError: As `identity`, or if a log is not valid.
    """
    read_log(submission)
    return identity(losses(submission), [losses(gold) for gold in golds], losses(original))


def _without(changes: Sequence[np.ndarray], *which: int) -> list[np.ndarray]:
    return [change for number, change in enumerate(changes) if number not in which]


def _partial(one: np.ndarray, other: np.ndarray, given: Sequence[np.ndarray]) -> float:
    """Return the correlation of two samples of which a least-squares fit of others is taken; 0 if nothing is left."""
    known = np.stack([np.ones(len(one)), *given], axis=1)
    rests = [sample - known @ np.linalg.lstsq(known, sample, rcond=None)[0] for sample in (one, other)]
    size = float(np.linalg.norm(rests[0]) * np.linalg.norm(rests[1]))
    return float(rests[0] @ rests[1]) / size if size > 1e-9 * len(one) else 0.0
