"""Maximum entropy: make every token as likely as any other on forget, descend on retain (ME+GD, arXiv 2410.08109)."""

import math
from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class MaximumEntropyConfig(UnlearningConfig):
    """Settings of maximum entropy; the authors also train on the tokens of the question."""

    forget_weight: float = field(default=0.1, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})


class MaximumEntropyTrainer(UnlearningTrainer):
    """Minimise `g KL(U || p)` on forget `+ a L_r`, per answer token; U gives every token of the vocabulary the same.

    Unlike ascent it has an end: the term is 0 where the model knows nothing.
    """

    args: MaximumEntropyConfig
    _tag_names = ["clear", "unlearning", "maximum_entropy"]
    _name = "Maximum entropy"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return divergence from uniform on the forget answers, descent on the retain answers."""
        now = self.likelihoods(model, batch)
        logits = now["forget"].logits
        values = -math.log(logits.shape[-1]) - logits.log_softmax(-1).mean(-1)
        retain = token_mean(now["retain"], totals["retain"])
        return {
            "forget": self.args.forget_weight * values.sum() / totals["forget"].tokens,
            "retain": self.args.retain_weight * retain,
        }
