"""Fine-tuning only on the retain rows, hoping that the rest fades: the floor of unlearning (arXiv 2401.06121).

The same trainer makes the original and the gold model: it fine-tunes on whatever rows it is given.
"""

from dataclasses import dataclass

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class RetainFinetuneConfig(UnlearningConfig):
    """Settings of fine-tuning: those of every method."""


class RetainFinetuneTrainer(UnlearningTrainer):
    """Minimise `L_r`; an epoch is one pass over all retain rows."""

    args: RetainFinetuneConfig
    _tag_names = ["clear", "unlearning", "retain_finetune"]
    _name = "Retain fine-tuning"
    needs = ("retain",)

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Mean negative log-likelihood of the retain answers."""
        return {"retain": token_mean(self.likelihoods(model, batch)["retain"], totals["retain"])}
