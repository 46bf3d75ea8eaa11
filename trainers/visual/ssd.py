"""SSD: dampen the weights that the photos to forget need far more than all photos do (arXiv 2308.07707)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainers.base.regularisers import trainable

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class SSDConfig(VisualConfig):
    """The paper's values; the learning rate does nothing."""

    num_train_epochs: float = 1
    max_steps: int = 1
    selection: float = field(default=10.0, metadata={"help": "a: how many times as much as all photos."})
    dampening: float = field(default=1.0, metadata={"help": "l: what is left, over the ratio of all to forget."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("selection", "dampening"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        super().__post_init__()


class SSDTrainer(VisualTrainer):
    """Multiply each weight with `F_f > a F_all` by `min(1, l F_all / F_f)`, once and without a gradient step.

    F is the mean over photos of the squared gradient of a photo's AM-Softmax; the authors take squares of batches.
    """

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Dampen the weights in the first step.

        Raises:
            ValueError: If there is no weight to dampen.
        """
        if self.state.global_step == 0 and self.accelerator.sync_gradients:
            self.model.eval()
            forget, retain = (self.squares(side) for side in ("forget", "retain"))
            counts = [len(self.sides[side]) for side in ("forget", "retain")]
            everybody = [
                (counts[0] * one + counts[1] * other) / sum(counts) for one, other in zip(forget, retain, strict=True)
            ]
            shares = shares_left(forget, everybody, self.args.selection, self.args.dampening)
            if all(bool((share == 1).all()) for share in shares):
                ratios = [one / all_of for one, all_of in zip(forget, everybody, strict=True)]
                largest = max(float(ratio.nan_to_num(0.0).max()) for ratio in ratios)
                raise ValueError(
                    f"selection must be below {largest:.3g}, the largest F_f / F_all of a weight, not "
                    f"{self.args.selection}; it is never above all photos over those to forget, "
                    f"{sum(counts) / counts[0]:.3g}"
                )
            with torch.no_grad():
                for weight, share in zip(trainable(self.model), shares, strict=True):
                    weight.mul_(share)
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs))

    def squares(self, side: str) -> list[torch.Tensor]:
        """Return the mean squared gradient of the photos of a side, one tensor a weight."""
        weights = trainable(self.model)
        found = [torch.zeros_like(weight) for weight in weights]
        for batch in self.batches(side, 1):
            loss = self.margin_term(self.model, batch, side)
            gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
            for total, gradient in zip(found, gradients, strict=True):
                total.add_(gradient.square(), alpha=1 / len(self.sides[side]))
        return found

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return what should fall, though no gradient is taken of it."""
        return {"forget": -self.margin_term(model, batch, "forget")}


def shares_left(
    forget: Sequence[torch.Tensor], everybody: Sequence[torch.Tensor], selection: float, dampening: float
) -> list[torch.Tensor]:
    """Return what each weight is multiplied by, from the squared gradients of both."""
    return [
        torch.where(one > selection * all_of, (dampening * all_of / one).clamp(max=1.0), torch.ones_like(one))
        for one, all_of in zip(forget, everybody, strict=True)
    ]
