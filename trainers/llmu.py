"""LLMU: ascent, random answers to the forget questions, and closeness on the retain rows (arXiv 2310.10683)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals
from .base.three_losses import ThreeLossesConfig, ThreeLossesTrainer


@dataclass
class LLMUConfig(ThreeLossesConfig):
    """Settings of LLMU."""

    learning_rate: float = field(default=2e-6, metadata={"help": "Peak learning rate."})
    per_device_train_batch_size: int = field(default=2, metadata={"help": "Rows of each side in a step."})
    forget_weight: float = field(default=0.5, metadata={"help": "Weight e1 of the ascent."})


class LLMUTrainer(ThreeLossesTrainer):
    """Minimise `e1 (-L_f) + e2 mean_k L(x_f, retain answer k) + e3 KL(p0 || p)` on retain."""

    args: LLMUConfig
    source = "retain"
    _tag_names = ["clear", "unlearning", "llmu"]
    _name = "LLMU"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return ascent on the true answers, descent on random ones, divergence from the original on retain."""
        forget, random, retain = self.three(model, batch, totals)
        return {"forget": -forget, "random": random, "retain": retain}
