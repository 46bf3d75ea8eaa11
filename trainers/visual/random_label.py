"""Random label: photos to forget get another name; SalUn changes only the salient weights (arXiv 2310.12508)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainers.base.regularisers import MaskedWeights, largest, trainable

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class RandomLabelConfig(VisualConfig):
    """CLEAR has no values for it: those of its LLMU."""

    learning_rate: float = 0.01
    lr_scheduler_type: str = "cosine"
    forget_repeat: int = 10
    freeze_batch_norm: bool = True
    random_weight: float = field(default=1.0, metadata={"help": "Of AM-Softmax with somebody else's label."})
    retain_weight: float = field(default=1.0, metadata={"help": "Of AM-Softmax on the photos to retain."})


class RandomLabelTrainer(VisualTrainer):
    """Minimise `CE(x_f, label of anybody else)` and AM-Softmax on the photos to retain."""

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return both terms; labels are drawn anew in each step."""
        forget, labels = self.output(model, batch, "forget"), batch["forget"]["labels"]
        people = len(self.model.config.people)
        others = (labels + torch.randint(1, people, labels.shape, device=labels.device)) % people
        return {
            "random": self.args.random_weight * self.margin_loss(forget, others),
            "retain": self.args.retain_weight * self.margin_term(model, batch, "retain"),
        }


@dataclass
class VisualSalUnConfig(RandomLabelConfig):
    """Half of the weights, as in the paper."""

    share: float = field(default=0.5, metadata={"help": "Of the weights that are trained."})

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 < self.share < 1:
            raise ValueError(f"share must be between 0 and 1, not {self.share}")
        super().__post_init__()


class VisualSalUnTrainer(RandomLabelTrainer):
    """Minimise the same by the weights whose AM-Softmax on the photos to forget has the largest gradient before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        weights = trainable(self.model)
        total = [torch.zeros_like(weight) for weight in weights]
        self.model.eval()
        for batch in self.batches("forget"):
            loss = self.margin_term(self.model, batch, "forget") * len(batch["forget"]["labels"])
            gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
            total = [one + other for one, other in zip(total, gradients, strict=True)]
        self.salient = MaskedWeights(weights, largest(total, self.args.share))

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return SGD that leaves the other weights as they are."""
        if self.optimizer is None:
            self.salient.attach(super().create_optimizer(model))
        return super().create_optimizer(model)
