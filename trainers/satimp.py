"""SatImp: gradient ascent, most of all on tokens that are likely and not yet certain (arXiv 2505.11953)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class SatImpConfig(UnlearningConfig):
    """Settings of SatImp."""

    beta1: float = field(default=5.0, metadata={"help": "Power b1 of a token's probability (saturation)."})
    beta2: float = field(default=1.0, metadata={"help": "Power b2 of one minus it (importance)."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=0.1, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the powers."""
        for name in ("beta1", "beta2"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        super().__post_init__()


class SatImpTrainer(UnlearningTrainer):
    """Minimise `g mean_t(s^b1 (1 - s)^b2 log s) + a L_r`; the weight of a token of probability s has no gradient."""

    args: SatImpConfig
    _tag_names = ["clear", "unlearning", "satimp"]
    _name = "SatImp"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return weighted ascent over the tokens of the forget batch, descent over those of the retain batch."""
        now = self.likelihoods(model, batch)
        log_probs = now["forget"].log_probs
        known = log_probs.detach().exp()
        weights = known**self.args.beta1 * (1 - known) ** self.args.beta2
        forget = (weights * log_probs).sum() / totals["forget"].tokens
        retain = token_mean(now["retain"], totals["retain"])
        return {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}
