"""SCRUB for faces as CLEAR has it: on class probabilities, or on embeddings (arXiv 2302.09880, 2410.18057)."""

from dataclasses import dataclass, field

from torch import nn
from torch.nn import functional

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
    """Minimise `-KL(p0||p)` on forget, `KL(p0||p)` and AM-Softmax on retain; one step, without a temperature."""

    references = ("forget", "retain")

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return the divergences from the original, away on forget and towards it on retain, and AM-Softmax."""
        forget, retain = (self.output(model, batch, side) for side in ("forget", "retain"))
        return {
            "forget": -self.args.forget_weight * self.kl(batch, "forget", forget),
            "kl": self.args.kl_weight * self.kl(batch, "retain", retain),
            "retain": self.args.retain_weight * self.margin_loss(retain, batch["retain"]["labels"]),
        }


@dataclass
class SCRUBBioConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.2
    num_train_epochs: float = 4
    forget_repeat: int = 5


class SCRUBBioTrainer(VisualTrainer):
    """Minimise the cosine-embedding loss: `max(0, cos)` on forget, `1 - cos` on retain."""

    references = ("forget", "retain")

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return cosines with the original's embeddings of the same photos."""
        cosines = {
            side: functional.cosine_similarity(
                self.output(model, batch, side).embedding, self.before(batch, side).embedding
            )
            for side in ("forget", "retain")
        }
        return {"forget": cosines["forget"].clamp(min=0).mean(), "retain": (1 - cosines["retain"]).mean()}
