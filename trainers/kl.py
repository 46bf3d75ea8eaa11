"""KL minimisation: ascent on the forget rows while the retain answers stay what they were (arXiv 2401.06121)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class KLConfig(UnlearningConfig):
    """Settings of KL minimisation."""

    retain_weight: float = field(default=1.0, metadata={"help": "Weight of the divergence on the retain rows."})


class KLTrainer(UnlearningTrainer):
    """Minimise `-L_f + a KL(p0 || p)` on retain."""

    args: KLConfig
    _tag_names = ["clear", "unlearning", "kl"]
    _name = "KL minimisation"

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the retain answers."""
        return {"retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return ascent on the forget answers, divergence from the original on the retain answers."""
        now = self.likelihoods(model, batch)
        forget = token_mean(now["forget"], totals["forget"])
        retain = self.divergence(now["retain"], model, batch, "retain") / totals["retain"].tokens
        return {"forget": -forget, "retain": self.args.retain_weight * retain}
