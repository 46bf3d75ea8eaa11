"""Bad teacher for faces: an untrained network's word on forget, the original's on retain (arXiv 2205.08096)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .base import Sides, Terms, VisualConfig, VisualTrainer
from .face_model import FaceModel


@dataclass
class VisualBadTeacherConfig(VisualConfig):
    """CLEAR has no values for it: those of its SCRUB."""

    learning_rate: float = 0.01
    lr_scheduler_type: str = "cosine"
    forget_repeat: int = 10
    freeze_batch_norm: bool = True
    forget_weight: float = field(default=1.0, metadata={"help": "Of the divergence from the untrained network."})
    retain_weight: float = field(default=1.0, metadata={"help": "Of that from the original."})


class VisualBadTeacherTrainer(VisualTrainer):
    """Minimise `KL(bad||p)` on forget and `KL(p0||p)` on retain; bad is the same network with weights drawn anew."""

    references = ("retain",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with torch.random.fork_rng():
            torch.manual_seed(self.args.seed)
            untrained = FaceModel(self.model.config).to(self.args.device)
        self._before["forget"] = untrained.look(self.sides["forget"])

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return the divergences from both teachers."""
        forget, retain = (self.output(model, batch, side) for side in ("forget", "retain"))
        return {
            "forget": self.args.forget_weight * self.kl(batch, "forget", forget),
            "retain": self.args.retain_weight * self.kl(batch, "retain", retain),
        }
