"""Twins: a photo's embedding goes to the original's embedding of its mirror image (CLEAR, arXiv 2410.18057)."""

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn import functional

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class TwinsConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.4
    per_device_train_batch_size: int = 128
    forget_repeat: int = 10


class TwinsTrainer(VisualTrainer):
    """Minimise the squared distance to the embeddings of the mirrored photos; nothing holds the others."""

    needs = ("forget",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mirrored = self.model.look(self.sides["forget"], flip=True).embedding

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Mean over rows and the numbers of an embedding."""
        forget = self.output(model, batch, "forget").embedding
        return {"twins": functional.mse_loss(forget, self.mirrored[batch["forget"]["index"]])}
