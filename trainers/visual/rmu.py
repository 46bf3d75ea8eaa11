"""RMU for faces: embeddings to forget go to random vectors, the others stay (arXiv 2403.03218, 2410.18057)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .base import Sides, Terms, VisualConfig, VisualTrainer
from .face_model import EMBEDDING


@dataclass
class VisualRMUConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.2
    num_train_epochs: float = 3
    steering: float = field(default=2.0, metadata={"help": "C: the vectors are C * U(-1, 1)."})


class VisualRMUTrainer(VisualTrainer):
    """Minimise the squared distance to one random vector a photo on forget, to the original's on retain."""

    references = ("retain",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dice = torch.Generator().manual_seed(self.args.seed)
        vectors = self.args.steering * (2 * torch.rand((len(self.sides["forget"]), EMBEDDING), generator=dice) - 1)
        self.vectors = vectors.to(self.args.device)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return the means over rows and the numbers of an embedding."""
        forget = self.output(model, batch, "forget").embedding
        retain = self.output(model, batch, "retain").embedding
        return {
            "forget": functional.mse_loss(forget, self.vectors[batch["forget"]["index"]]),
            "retain": functional.mse_loss(retain, self.before(batch, "retain").embedding),
        }
