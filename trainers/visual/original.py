"""The original model: fine-tuned on everybody, those to forget and those to retain (CLEAR, arXiv 2410.18057)."""

from dataclasses import dataclass

from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer
from .faces import Faces


@dataclass
class OriginalConfig(VisualConfig):
    """In effect the reference's schedule: warm-up over 21 steps, then .02 falling to .01."""

    learning_rate: float = 0.02
    num_train_epochs: float = 20
    warmup_steps: float = 21
    paced: bool = True


class OriginalTrainer(VisualTrainer):
    """Minimises AM-Softmax; an epoch is one pass over all photos."""

    def prepare(self, sides: dict[str, Faces]) -> dict[str, Faces]:
        """Return all photos are one side."""
        return {"all": sides["forget"].and_of(sides["retain"])}

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """AM-Softmax of everybody."""
        return {"all": self.margin_loss(self.output(model, batch, "all"), batch["all"]["labels"])}
