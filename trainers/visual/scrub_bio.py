"""SCRUB for embeddings: away from the original's on one side, towards them on the other (CLEAR, arXiv 2410.18057)."""

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from .base import Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class SCRUBBioConfig(VisualConfig):
    """CLEAR's values."""

    learning_rate: float = 0.2
    num_train_epochs: float = 4
    forget_repeat: int = 5


class SCRUBBioTrainer(VisualTrainer):
    """Minimises the cosine-embedding loss: `max(0, cos)` on forget, `1 - cos` on retain."""

    references = ("forget", "retain")

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Cosines with the original's embeddings of the same photos."""
        cosines = {
            side: functional.cosine_similarity(
                self.output(model, batch, side).embedding, self.before(batch, side).embedding
            )
            for side in ("forget", "retain")
        }
        return {"forget": cosines["forget"].clamp(min=0).mean(), "retain": (1 - cosines["retain"]).mean()}
