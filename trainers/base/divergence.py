"""Distances between what two models say of a token: shared arithmetic of the losses, pure functions."""

import torch

from clear_unlearning.likelihood import AnswerLikelihood


def token_kl(reference: torch.Tensor, logits: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """KL divergence of the model from the reference, `KL(p0 || p)`, at each token.

    Args:
        reference: Logits of the reference [tokens, vocabulary].
        logits: Logits of the model [tokens, vocabulary].
        temperature: T; the result is `T^2 KL(softmax(z0 / T) || softmax(z / T))`, whose gradient keeps its size
            (arXiv 1503.02531, section 2).

    Returns:
        Nats [tokens].
    """
    before = (reference.float() / temperature).log_softmax(-1)
    now = (logits / temperature).log_softmax(-1)
    return temperature**2 * (before.exp() * (before - now)).sum(-1)


def token_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of the next token in nats [tokens], from logits [tokens, vocabulary]."""
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def sequence_means(likelihood: AnswerLikelihood) -> torch.Tensor:
    """Negative log-likelihood per token of each answer in nats [rows], so that a long answer weighs as a short one.

    Rows that only fill a batch are left out.
    """
    counts = likelihood.counts()
    return -likelihood.sums()[counts > 0] / counts[counts > 0]
