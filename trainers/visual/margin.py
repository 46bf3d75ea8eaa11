"""AM-Softmax, the loss of the face recogniser (arXiv 1801.05599), and the class probabilities that go with it."""

import torch
from torch.nn import functional

SCALE, MARGIN = 30.0, 0.4


def margin_logits(
    cosines: torch.Tensor, labels: torch.Tensor, scale: float = SCALE, margin: float = MARGIN
) -> torch.Tensor:
    """Logits as AM-Softmax trains them: `s * (cos - m)` for the right class, `s * cos` for the others.

    All class probabilities of the methods are theirs. Without the margin those of a trained model are 1 to six digits,
    and no loss that is made of them has a gradient.

    Args:
        cosines: Between embeddings and class weights, both normalised [rows, classes].
        labels: Right class of each row [rows].
        scale: s.
        margin: m, of the cosine.

    Returns:
        [rows, classes].
    """
    return scale * (cosines - margin * functional.one_hot(labels, cosines.shape[1]).to(cosines.dtype))


def right_log_probs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Log-probability of the right class in nats [rows], from logits [rows, classes]."""
    return -functional.cross_entropy(logits, labels, reduction="none")


def class_kl(reference: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """KL divergence of the model from the reference over classes, `KL(p0 || p)`, mean over the rows, in nats.

    Args:
        reference: Logits of the reference [rows, classes].
        logits: Logits of the model [rows, classes].
    """
    before, now = reference.log_softmax(-1), logits.log_softmax(-1)
    return (before.exp() * (before - now)).sum(-1).mean()
