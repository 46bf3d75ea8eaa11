"""The terms of a loss: exact means over the global batch, divergences, and what every loss is checked for."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from clear_unlearning.batches import Batch, answer_counts
from clear_unlearning.likelihood import AnswerLikelihood

Sides = dict[str, Batch]  # one batch a side, from `Encoder.batch`, with the `index` of its rows
Terms = dict[str, torch.Tensor]  # what a loss adds up, by name


@dataclass(frozen=True)
class SideTotals:
    """Size of one side of the global batch: what its means divide by.

    A row without an answer only fills a batch and does not count.
    """

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
    """Return the negative log-likelihood per answer token of the global batch, in nats."""
    return -likelihood.log_probs.sum() / totals.tokens


def sequence_means(likelihood: AnswerLikelihood) -> torch.Tensor:
    """Return the negative log-likelihood per token of each answer in nats [rows]; long and short weigh the same.

    Rows that only fill a batch are left out.
    """
    counts = likelihood.counts()
    return -likelihood.sums()[counts > 0] / counts[counts > 0]


def token_kl(reference: torch.Tensor, logits: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Return the KL divergence of the model from the reference, `KL(p0 || p)`, at each token or row.

    Args:
        reference: Logits of the reference [tokens, vocabulary], or [rows, classes] of a classifier.
        logits: Logits of the model, of the same shape.
        temperature: T; the result is `T^2 KL(softmax(z0 / T) || softmax(z / T))`, whose gradient keeps its size
            (arXiv 1503.02531, section 2).

    Returns:
        Nats [tokens].
    """
    before = (reference.float() / temperature).log_softmax(-1)
    now = (logits / temperature).log_softmax(-1)
    return temperature**2 * (before.exp() * (before - now)).sum(-1)


def token_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Return the entropy of the next token in nats [tokens], from logits [tokens, vocabulary]."""
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def add_up(terms: Terms) -> torch.Tensor:
    """Return the loss: the sum of its terms."""
    return torch.stack(list(terms.values())).sum()


def check_sides(trainer: type, sides: Collection[str], needs: Sequence[str], what: str = "rows") -> None:
    """Check that every side that a trainer needs is there.

    Raises:
        ValueError: If one is missing.
    """
    missing = [name for name in needs if name not in sides]
    if missing:
        raise ValueError(f"{trainer.__name__} needs {what} for {', '.join(needs)}; missing: {missing}")


def check_finite(terms: Mapping[str, float], step: int, advice: Callable[[], str]) -> None:
    """Check that training has not diverged.

    Args:
        terms: Values of the terms, by name.
        step: Number of the step.
        advice: Returns what the error advises.

    Raises:
        FloatingPointError: If a term is NaN or infinite.
    """
    if not all(map(math.isfinite, terms.values())):
        raise FloatingPointError(f"step {step}: the loss is {terms}; {advice()}")
