"""Regularisers that combine with any method: the L1 norm of the weights, and training only salient weights (SalUn).

L0 has no gradient and is left out.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from clear_unlearning.batches import Batch
from clear_unlearning.likelihood import answer_likelihood


def named_trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that are trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights that are trained, in order."""
    return list(named_trainable(model).values())


def l1_distance(weights: Sequence[torch.Tensor], start: Sequence[torch.Tensor] | None) -> torch.Tensor:
    """Return the sum of the absolute weights, or of their distances from a start."""
    if start is None:
        return torch.stack([weight.abs().sum() for weight in weights]).sum()
    return torch.stack([(weight - other).abs().sum() for weight, other in zip(weights, start, strict=True)]).sum()


def largest(gradients: Sequence[torch.Tensor], share: float) -> list[torch.Tensor]:
    """Return masks of the entries with the largest absolute values, over all tensors together.

    Args:
        gradients: Any shapes.
        share: Share of all entries to choose.
    """
    sizes = torch.cat([gradient.abs().flatten() for gradient in gradients])
    chosen = torch.zeros_like(sizes, dtype=torch.bool)
    chosen[sizes.topk(round(share * len(sizes))).indices] = True
    parts = chosen.split([gradient.numel() for gradient in gradients])
    return [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]


class MaskedWeights:
    """Train only some entries of the weights.

    The others get no gradient, hence no momentum, and keep their values bit for bit, whatever the optimizer does.

    Args:
        weights: The weights.
        masks: Which entries are trained, one tensor a weight.
    """

    def __init__(self, weights: Sequence[nn.Parameter], masks: Sequence[torch.Tensor]) -> None:
        self.weights, self.masks = weights, masks
        self._before: list[torch.Tensor] = []
        for weight, mask in zip(weights, masks, strict=True):
            weight.register_hook(lambda gradient, mask=mask: gradient * mask)

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Hold the other weights whenever the optimizer steps: decay and Muon move them without a gradient."""
        optimizer.register_step_pre_hook(self._remember)
        optimizer.register_step_post_hook(self._restore)

    def _remember(self, *_: Any) -> None:
        self._before = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def _restore(self, *_: Any) -> None:
        for weight, mask, before in zip(self.weights, self.masks, self._before, strict=True):
            weight.copy_(torch.where(mask, weight, before))
        self._before = []


class SalientWeights(MaskedWeights):
    """Train only the weights whose forget loss has the largest gradient before unlearning (arXiv 2310.12508).

    Args:
        model: The original model.
        batches: All forget rows.
        share: Share of the weights to train.
    """

    def __init__(self, model: nn.Module, batches: Iterable[Batch], share: float) -> None:
        weights = trainable(model)
        model.eval()
        for batch in batches:
            answer_likelihood(model, batch).log_probs.sum().backward()
        gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        masks = largest(gradients, share)
        for weight in weights:
            weight.grad = None
        super().__init__(weights, masks)
