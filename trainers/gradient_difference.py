"""Gradient difference: ascent on the forget rows, descent on the retain rows (arXiv 2203.12817; TOFU 2401.06121)."""

from dataclasses import dataclass, field

from torch import nn

from .base import Sides, Terms, Totals, UnlearningConfig, UnlearningTrainer, token_mean


@dataclass
class GradientDifferenceConfig(UnlearningConfig):
    """Settings of gradient difference."""

    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})


class GradientDifferenceTrainer(UnlearningTrainer):
    """Minimises `-g L_f + a L_r`."""

    args: GradientDifferenceConfig
    _tag_names = ["clear", "unlearning", "gradient_difference"]
    _name = "Gradient difference"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Ascent on the forget answers beside descent on the retain answers."""
        forget = token_mean(self.likelihood(model, batch["forget"]), totals["forget"])
        retain = token_mean(self.likelihood(model, batch["retain"]), totals["retain"])
        return {"forget": -self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}
