"""CE-U: cross-entropy to the model's own prediction without the true token (arXiv 2503.01224)."""

from dataclasses import dataclass, field

import torch
from torch import nn

from .base.terms import Sides, Terms, Totals
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class CEUConfig(UnlearningConfig):
    """Settings of CE-U."""

    skip_first: bool = field(default=True, metadata={"help": "Leave the first token of each answer as it is."})


class CEUTrainer(UnlearningTrainer):
    """Minimise the cross-entropy to `softmax(z)` with `z_y` at minus infinity, per forget token but each first one.

    The target has no gradient. Retain rows are not used.
    """

    args: CEUConfig
    _tag_names = ["clear", "unlearning", "ceu"]
    _name = "CE-U"
    needs = ("forget",)

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the cross-entropy to what the model says without the true tokens."""
        now = self.likelihoods(model, batch)["forget"]
        others = now.logits.detach().scatter(-1, now.targets[:, None], float("-inf")).softmax(-1)
        values = -(others * now.logits.log_softmax(-1)).sum(-1)
        tokens = totals["forget"].tokens
        if self.args.skip_first:
            first = torch.ones_like(now.row, dtype=torch.bool)
            first[1:] = now.row[1:] != now.row[:-1]
            values = values.masked_fill(first, 0.0)
            tokens = tokens - totals["forget"].rows
        return {"forget": values.sum() / tokens.clamp(min=1)}  # answers of one token leave nothing to train on
