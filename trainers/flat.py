"""FLAT: maximise an f-divergence between refusals and forget answers, by forget rows only (arXiv 2410.11143)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from clear_unlearning.likelihood import AnswerLikelihood

from .base.rows import Draw, Rows, load_refusals, refused_rows, rows_themselves
from .base.terms import Sides, Terms, Totals, sequence_means
from .base.trainer import UnlearningConfig, UnlearningTrainer

Curve = Callable[[torch.Tensor], torch.Tensor]
# Divergence -> g*, by which refusals count, and f*(g*), by which forget answers do; both rise with the probability v.
# The authors' code turns the sign of v in reverse_kl and squared_hellinger, which would then teach the forget answers,
# and in the g* of neyman, which would unlearn the refusals. jeffrey is their series of third order.
DIVERGENCES: dict[str, tuple[Curve, Curve]] = {
    "total_variation": (lambda v: v.tanh() / 2, lambda v: v.tanh() / 2),
    "kl": (lambda v: v, lambda v: (v - 1).exp()),
    "reverse_kl": (lambda v: -(-v).exp(), lambda v: v - 1),
    "jensen_shannon": (
        lambda v: math.log(2) - nn.functional.softplus(-v),
        lambda v: nn.functional.softplus(v) - math.log(2),
    ),
    "pearson": (lambda v: v, lambda v: v**2 / 4 + v),
    "neyman": (lambda v: 1 - (-v).exp(), lambda v: 2 - 2 * (-v / 2).exp()),
    "jeffrey": (lambda v: v, lambda v: v + v**2 / 4 + v**3 / 16),
    "squared_hellinger": (lambda v: 1 - (-v).exp(), lambda v: v.exp() - 1),
}


@dataclass
class FLATConfig(UnlearningConfig):
    """Settings of FLAT."""

    divergence: str = field(default="total_variation", metadata={"help": f"One of {', '.join(DIVERGENCES)}."})
    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})

    def __post_init__(self) -> None:
        """Check the divergence."""
        if self.divergence not in DIVERGENCES:
            raise ValueError(f"divergence must be one of {', '.join(DIVERGENCES)}; not {self.divergence!r}")
        super().__post_init__()


class FLATTrainer(UnlearningTrainer):
    """Minimise `-g*(P(refusal)) + f*(g*(P(y_f)))`, P the mean probability of an answer's tokens; no retain rows.

    The mean is over the answers, as in the paper; the authors' code takes it before g*, and over prompt and padding.
    """

    args: FLATConfig
    _tag_names = ["clear", "unlearning", "flat"]
    _name = "FLAT"
    needs = ("forget",)

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return refusals beside the forget answers, another one in every epoch."""
        forget = rows_themselves(sides["forget"])
        return {"forget": forget, "refusal": refused_rows(forget, *load_refusals(args.refusals), args.seed)}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return both terms of the divergence's bound, each a mean over the answers of its side."""
        rise, fall = DIVERGENCES[self.args.divergence]
        now = self.likelihoods(model, batch)
        return {
            "refusal": -rise(mean_probabilities(now["refusal"])).sum() / totals["refusal"].rows,
            "forget": fall(mean_probabilities(now["forget"])).sum() / totals["forget"].rows,
        }


def mean_probabilities(now: AnswerLikelihood) -> torch.Tensor:
    """Return the mean over its tokens of each answer's token probabilities [rows]."""
    return -sequence_means(replace(now, log_probs=now.log_probs.exp()))
