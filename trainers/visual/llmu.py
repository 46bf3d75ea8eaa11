"""LLMU for faces: ascent, random labels, and the original's word on the others (arXiv 2310.10683, 2410.18057)."""

from dataclasses import dataclass, field

import torch
from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer, labels_of


@dataclass
class VisualLLMUConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.01
    lr_scheduler_type: str = "cosine"
    forget_repeat: int = 10
    freeze_batch_norm: bool = True
    forget_weight: float = field(default=0.02, metadata={"help": "Of ascent on the photos to forget."})
    random_weight: float = field(default=0.01, metadata={"help": "Of the label of a random person to retain."})
    retain_weight: float = field(default=1.0, metadata={"help": "Of the KL divergence on the photos to retain."})


class VisualLLMUTrainer(VisualTrainer):
    """Minimise `-e1*CE_f + e2*CE(x_f, random retain label) + e3*KL(p0||p)` on retain."""

    references = ("retain",)

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return the three terms; labels are drawn anew in each step."""
        forget = self.output(model, batch, "forget")
        labels = torch.as_tensor(labels_of(self.sides["retain"], self.model.config.people)).unique()
        drawn = labels[torch.randint(len(labels), (len(forget.cosines),))].to(forget.cosines.device)
        return {
            "forget": -self.args.forget_weight * self.margin_loss(forget, batch["forget"]["labels"]),
            "random": self.args.random_weight * self.margin_loss(forget, drawn),
            "retain": self.args.retain_weight * self.kl(batch, "retain", self.output(model, batch, "retain")),
        }
