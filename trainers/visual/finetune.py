"""Fine-tuning of faces: the original, the gold model, and the methods that only see photos to retain.

Original, gold and retain fine-tuning are those of CLEAR (arXiv 2410.18057); sparsity adds an L1 penalty of the weights
(arXiv 2304.04934).
"""

from dataclasses import dataclass, field

from torch import nn

from trainers.base.regularisers import l1_distance, trainable

from .base import Sides, Terms, VisualConfig, VisualTrainer
from .face_model import Faces


@dataclass
class OriginalConfig(VisualConfig):
    """In effect the reference's schedule: warm-up over 21 steps, then .02 falling to .01."""

    learning_rate: float = 0.02
    num_train_epochs: float = 20
    warmup_steps: float = 21
    paced: bool = True


class OriginalTrainer(VisualTrainer):
    """Minimise AM-Softmax on everybody; an epoch is one pass over all photos."""

    def prepare(self, sides: dict[str, Faces]) -> dict[str, Faces]:
        """Return all photos as one side."""
        return {"all": sides["forget"].and_of(sides["retain"])}

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return AM-Softmax of everybody."""
        return {"all": self.margin_term(model, batch, "all")}


@dataclass
class GoldConfig(OriginalConfig):
    """The same training as the original's."""


class GoldTrainer(VisualTrainer):
    """Minimise AM-Softmax on the photos to retain: what unlearning should look like, from the base model."""

    needs = ("retain",)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return AM-Softmax of those to retain."""
        return {"retain": self.margin_term(model, batch, "retain")}


@dataclass
class VisualRetainFinetuneConfig(VisualConfig):
    """Learning rate .01, 5 epochs."""


class VisualRetainFinetuneTrainer(GoldTrainer):
    """Minimise the same from the original, hoping that the rest fades."""


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


class SparsityTrainer(GoldTrainer):
    """Minimise AM-Softmax on the photos to retain and `a * ||theta||_1`, from the original."""

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return AM-Softmax of those to retain, and the norm of all trained weights."""
        norm = l1_distance(trainable(model), None)  # before the forward pass: the order changes the last bits
        return {**super().losses(model, batch), "l1": self.weight() * norm}

    def weight(self) -> float:
        """Return the weight of the norm at this step: `a`, or `a * (1 - t / (T - T0))`, at least 0."""
        if self.args.l1_rest is None:
            return self.args.l1
        falls = self.args.num_train_epochs - self.args.l1_rest
        return self.args.l1 * max(0.0, 1 - (self.state.epoch or 0.0) / falls) if falls > 0 else 0.0
