"""WGA: gradient ascent that leaves alone the tokens that are already unlikely (arXiv 2502.19301)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class WGAConfig(UnlearningConfig):
    """Settings of WGA: those of open-unlearning. The authors also try beta 5, without a retain term."""

    beta: float = field(default=1.0, metadata={"help": "Power b of a token's probability in its weight; 0: ascent."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the power."""
        if self.beta < 0:
            raise ValueError(f"beta must be 0 or more, not {self.beta}")
        super().__post_init__()


class WGATrainer(UnlearningTrainer):
    """Minimise `g mean_t(s^b log s) + a L_r`; the weight `s^b` of a token of probability s has no gradient."""

    args: WGAConfig
    _tag_names = ["clear", "unlearning", "wga"]
    _name = "WGA"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return weighted ascent over the tokens of the forget batch, descent over those of the retain batch."""
        now = self.likelihoods(model, batch)
        log_probs = now["forget"].log_probs
        weights = (self.args.beta * log_probs.detach()).exp()
        forget = (weights * log_probs).sum() / totals["forget"].tokens
        retain = token_mean(now["retain"], totals["retain"])
        return {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}
