"""Gradient ascent on the forget rows (arXiv 2401.06121, section 4): unbounded, and it takes the utility with it."""

from dataclasses import dataclass

from torch import nn

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class GradientAscentConfig(UnlearningConfig):
    """Settings of gradient ascent: those of every method."""


class GradientAscentTrainer(UnlearningTrainer):
    """Minimise `-L_f`; retain rows are not used."""

    args: GradientAscentConfig
    _tag_names = ["clear", "unlearning", "gradient_ascent"]
    _name = "Gradient ascent"
    needs = ("forget",)

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Mean log-likelihood of the forget answers, to be lowered."""
        return {"forget": -token_mean(self.likelihoods(model, batch)["forget"], totals["forget"])}
