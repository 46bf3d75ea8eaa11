"""The gold model: fine-tuned only on those to retain, what unlearning should look like (CLEAR, arXiv 2410.18057)."""

from dataclasses import dataclass

from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class GoldConfig(VisualConfig):
    """The same training as the original's."""

    learning_rate: float = 0.02
    num_train_epochs: float = 20
    warmup_steps: float = 21
    paced: bool = True


class GoldTrainer(VisualTrainer):
    """Minimises AM-Softmax; an epoch is one pass over the photos to retain."""

    needs = ("retain",)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """AM-Softmax of those to retain."""
        return {"retain": self.margin_loss(self.output(model, batch, "retain"), batch["retain"]["labels"])}
