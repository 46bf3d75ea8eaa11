"""Gradient difference: ascent on the forget rows, descent on the retain rows (arXiv 2203.12817; TOFU 2401.06121).

CLEAR (arXiv 2410.18057) replaces either term: the forget answers may become uncertain or unlike the original's, the
retain answers may stay like the original's.
"""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_entropy, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class GradientDifferenceConfig(UnlearningConfig):
    """Settings of gradient difference."""

    forget_loss: str = field(default="ce", metadata={"help": "What rises on the forget rows: ce, entropy or kl."})
    retain_loss: str = field(default="ce", metadata={"help": "What falls on the retain rows: ce or kl."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the terms."""
        if self.forget_loss not in ("ce", "entropy", "kl"):
            raise ValueError(f"forget_loss must be ce, entropy or kl, not {self.forget_loss!r}")
        if self.retain_loss not in ("ce", "kl"):
            raise ValueError(f"retain_loss must be ce or kl, not {self.retain_loss!r}")
        super().__post_init__()


class GradientDifferenceTrainer(UnlearningTrainer):
    """Minimise `-g L_f + a L_r`; L may be the mean token entropy (forget) or `KL(p0 || p)` (either)."""

    args: GradientDifferenceConfig
    _tag_names = ["clear", "unlearning", "gradient_difference"]
    _name = "Gradient difference"

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the sides whose term is a divergence."""
        chosen = {"forget": self.args.forget_loss, "retain": self.args.retain_loss}
        return {side: self.logits for side, loss in chosen.items() if loss == "kl"}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return ascent on the forget answers beside descent on the retain answers."""
        now = self.likelihoods(model, batch)
        chosen = {"forget": self.args.forget_loss, "retain": self.args.retain_loss}
        terms = {}
        for side, loss in chosen.items():
            if loss == "ce":
                terms[side] = token_mean(now[side], totals[side])
            elif loss == "entropy":
                terms[side] = token_entropy(now[side].logits).sum() / totals[side].tokens
            else:
                terms[side] = self.divergence(now[side], model, batch, side) / totals[side].tokens
        return {
            "forget": -self.args.forget_weight * terms["forget"],
            "retain": self.args.retain_weight * terms["retain"],
        }
