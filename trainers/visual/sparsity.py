"""Sparsity: fine-tuning on the photos to retain under an L1 penalty of the weights (arXiv 2304.04934, 2410.18057)."""

from dataclasses import dataclass, field

import torch
from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class SparsityConfig(VisualConfig):
    """CLEAR's values: the weight of the penalty stays what it is."""

    learning_rate: float = 0.01
    num_train_epochs: float = 4
    per_device_train_batch_size: int = 32
    l1: float = field(default=1e-4, metadata={"help": "a, the weight of the L1 norm."})
    l1_rest: int | None = field(
        default=None,
        metadata={
            "help": "As in the paper of the method: the weight falls to 0 and rests there for the last so many epochs."
        },
    )


class SparsityTrainer(VisualTrainer):
    """Minimises AM-Softmax on retain and `a * ||theta||_1`."""

    needs = ("retain",)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return the norm is that of all trained weights."""
        norm = torch.stack([weight.abs().sum() for weight in model.parameters() if weight.requires_grad]).sum()
        loss = self.margin_loss(self.output(model, batch, "retain"), batch["retain"]["labels"])
        return {"retain": loss, "l1": self.weight() * norm}

    def weight(self) -> float:
        """Return the weight of the norm at this step: `a`, or `a * (1 - t / (T - T0))`, at least 0."""
        if self.args.l1_rest is None:
            return self.args.l1
        falls = self.args.num_train_epochs - self.args.l1_rest
        return self.args.l1 * max(0.0, 1 - (self.state.epoch or 0.0) / falls) if falls > 0 else 0.0
