"""Fine-tuning of the original on the photos to retain, hoping that the rest fades (CLEAR, arXiv 2410.18057)."""

from dataclasses import dataclass

from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class VisualRetainFinetuneConfig(VisualConfig):
    """Learning rate .01, 5 epochs."""


class VisualRetainFinetuneTrainer(VisualTrainer):
    """Minimises AM-Softmax on the photos to retain."""

    needs = ("retain",)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """AM-Softmax of those to retain."""
        return {"retain": self.margin_loss(self.output(model, batch, "retain"), batch["retain"]["labels"])}
