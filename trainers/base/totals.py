"""What the means of a loss divide by: answer tokens and rows of one side of the global batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from clear_unlearning.batches import Batch, answer_counts
from clear_unlearning.likelihood import AnswerLikelihood

Sides = dict[str, Batch]  # one batch a side, from `Encoder.batch`, with the `index` of its rows


@dataclass(frozen=True)
class SideTotals:
    """Size of one side of the global batch; a row without an answer only fills a batch and does not count."""

    tokens: torch.Tensor
    rows: torch.Tensor


Totals = dict[str, SideTotals]


def count_sides(batches: Sequence[Sides], accelerator: Accelerator, device: torch.device) -> Totals:
    """Count answer tokens and rows of each side, over the batches of a step and over all processes."""
    sides = list(batches[0])
    counts = [[answer_counts(batch[side]) for batch in batches] for side in sides]
    sizes = [
        [sum(map(sum, side)) for side in counts],
        [sum(count > 0 for batch in side for count in batch) for side in counts],
    ]
    total: torch.Tensor = accelerator.reduce(torch.tensor(sizes, device=device), reduction="sum")  # type: ignore
    return {side: SideTotals(*total[:, i]) for i, side in enumerate(sides)}


def token_mean(likelihood: AnswerLikelihood, totals: SideTotals) -> torch.Tensor:
    """Negative log-likelihood per answer token of the global batch, in nats."""
    return -likelihood.log_probs.sum() / totals.tokens
