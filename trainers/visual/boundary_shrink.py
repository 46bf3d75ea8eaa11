"""Boundary shrink: each photo to forget gets the name of the nearest other person (arXiv 2303.11570)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class BoundaryShrinkConfig(VisualConfig):
    """The paper's bound; CLEAR has no further values for it: those of its Twins, which sees these photos alone."""

    learning_rate: float = 0.01
    forget_repeat: int = 10
    freeze_batch_norm: bool = True
    bound: float = field(default=0.1, metadata={"help": "Length of the step to the nearest person, per number."})

    def __post_init__(self) -> None:
        """Check the bound."""
        if not self.bound > 0:
            raise ValueError(f"bound must be above 0, not {self.bound}")
        super().__post_init__()


class BoundaryShrinkTrainer(VisualTrainer):
    """Minimise `CE(x_f, nearest)`; nothing holds the others.

    The nearest person is whom the original takes the photo for, but for its own person, after a step of the length
    `bound` along the sign of the gradient of its loss, in the numbers that the model reads (normalised pixels).
    """

    needs = ("forget",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model.eval()
        self.nearest = torch.cat([self.find(batch["forget"]) for batch in self.batches("forget")])

    def find(self, side: Any) -> torch.Tensor:
        """Return the label of the nearest other person of each photo [rows]."""
        pixels = side["pixel_values"].clone().requires_grad_()
        loss = self.margin_loss(self.model(pixels), side["labels"])
        (gradient,) = torch.autograd.grad(loss, [pixels])
        with torch.no_grad():
            cosines = self.model(pixels + self.args.bound * gradient.sign()).cosines
        return cosines.scatter(1, side["labels"][:, None], -torch.inf).argmax(1)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return AM-Softmax with the nearest person's label."""
        labels = self.nearest[batch["forget"]["index"]]
        return {"nearest": self.margin_loss(self.output(model, batch, "forget"), labels)}
