"""DPO for faces: a person to retain is preferred to one to forget (arXiv 2305.18290, 2410.18057)."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class VisualDPOConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.01
    num_train_epochs: float = 4
    lr_scheduler_type: str = "cosine"
    forget_repeat: int = 10
    freeze_batch_norm: bool = True
    beta: float = field(default=1.0, metadata={"help": "b."})


class VisualDPOTrainer(VisualTrainer):
    """Minimise `-(1/b) log sigmoid(b*log(p_r/p0_r) - b*log(p_f/p0_f))` over pairs of a retain and a forget photo."""

    references = ("forget", "retain")

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Mean over the pairs."""
        gains = self.gain(model, batch, "retain") - self.gain(model, batch, "forget")
        return {"preference": -functional.logsigmoid(self.args.beta * gains).mean() / self.args.beta}

    def gain(self, model: nn.Module, batch: Sides, side: str) -> torch.Tensor:
        """Return how much likelier the right person has become on each photo, in nats [rows]."""
        labels = batch[side]["labels"]
        now = self.log_probs(self.output(model, batch, side), labels)
        return now - self.log_probs(self.before(batch, side), labels)
