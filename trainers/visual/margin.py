"""AM-Softmax, the loss of the face recogniser (arXiv 1801.05599), and the class probabilities that go with it."""

import torch
from torch.nn import functional

SCALE, MARGIN = 30.0, 0.4


def margin_loss(
    cosines: torch.Tensor, labels: torch.Tensor, scale: float = SCALE, margin: float = MARGIN
) -> torch.Tensor:
    """Cross-entropy of `s * (cos - m)` for the right class against `s * cos` for the others.

    Args:
        cosines: Between embeddings and class weights, both normalised [rows, classes].
        labels: Right class of each row [rows].
        scale: s.
        margin: m, of the cosine.

    Returns:
        Mean over the rows, in nats.
    """
    right = functional.one_hot(labels, cosines.shape[1]).to(cosines.dtype)
    return functional.cross_entropy(scale * (cosines - margin * right), labels)


def class_log_probs(cosines: torch.Tensor, scale: float = SCALE) -> torch.Tensor:
    """Log-probabilities of the classes, without margin [rows, classes]."""
    return (scale * cosines).log_softmax(-1)


def class_kl(reference: torch.Tensor, cosines: torch.Tensor, scale: float = SCALE) -> torch.Tensor:
    """KL divergence of the model from the reference over classes, `KL(p0 || p)`, mean over the rows, in nats.

    Args:
        reference: Cosines of the reference [rows, classes].
        cosines: Cosines of the model [rows, classes].
        scale: s.
    """
    before, now = class_log_probs(reference, scale), class_log_probs(cosines, scale)
    return (before.exp() * (before - now)).sum(-1).mean()
