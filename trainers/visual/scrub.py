"""SCRUB on class probabilities as CLEAR has it: one step, no temperature (arXiv 2302.09880, 2410.18057)."""

from dataclasses import dataclass, field

from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class VisualSCRUBConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.01
    lr_scheduler_type: str = "cosine"
    forget_repeat: int = 10
    freeze_batch_norm: bool = True
    forget_weight: float = field(default=1.0, metadata={"help": "Of minus the KL divergence on the photos to forget."})
    kl_weight: float = field(default=1.0, metadata={"help": "Of the KL divergence on the photos to retain."})
    retain_weight: float = field(default=1.0, metadata={"help": "Of AM-Softmax on the photos to retain."})


class VisualSCRUBTrainer(VisualTrainer):
    """Minimises `-KL(p0||p)` on forget, `KL(p0||p)` and AM-Softmax on retain."""

    references = ("forget", "retain")

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Away from the original on one side, near it on the other."""
        forget, retain = (self.output(model, batch, side) for side in ("forget", "retain"))
        return {
            "forget": -self.args.forget_weight * self.kl(batch, "forget", forget),
            "kl": self.args.kl_weight * self.kl(batch, "retain", retain),
            "retain": self.args.retain_weight * self.margin_loss(retain, batch["retain"]["labels"]),
        }
