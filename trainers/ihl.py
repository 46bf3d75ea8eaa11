"""IHL: lower the true token's probability and raise the likeliest other's, bounded (LoKU, arXiv 2408.06621)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class IHLConfig(UnlearningConfig):
    """Settings of IHL: the authors', who train LoRA on all linear layers (rank 32, alpha 64)."""

    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the hinge."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})


class IHLTrainer(UnlearningTrainer):
    """Minimise `g mean_t(1 + p(y_t) - max_v p(v)) + a L_r`, the maximum over all tokens but the true one.

    The authors' start of the adapter from importances (FILA) is left out.
    """

    args: IHLConfig
    _tag_names = ["clear", "unlearning", "ihl"]
    _name = "IHL"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the hinge over the tokens of the forget batch, likelihood over those of the retain batch."""
        now = self.likelihoods(model, batch)
        probs, true = now["forget"].logits.softmax(-1), now["forget"].targets[:, None]
        margins = probs.gather(-1, true)[:, 0] - probs.scatter(-1, true, 0.0).max(-1).values
        forget = (1 + margins).sum() / totals["forget"].tokens  # never negative: no hinge to cut
        retain = token_mean(now["retain"], totals["retain"])
        return {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}
