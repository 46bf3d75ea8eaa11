"""IDK+AP: refuse the forget questions, prefer the answers to refusals on retain (arXiv 2410.08109)."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .base.rows import Draw, Rows, load_refusals, refused_rows, rows_themselves
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class IDKAPConfig(UnlearningConfig):
    """Settings of IDK+AP."""

    beta: float = field(default=0.1, metadata={"help": "Inverse temperature b of the preference."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the preference term."})
    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})

    def __post_init__(self) -> None:
        """Check the temperature."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        super().__post_init__()


class IDKAPTrainer(UnlearningTrainer):
    """Minimise `L(x_f, refusal) - (a/b) log sigmoid(b (logp(y_r) - logp(refusal | x_r)))`; no reference is needed."""

    args: IDKAPConfig
    _tag_names = ["clear", "unlearning", "idk_ap"]
    _name = "IDK with answer preservation"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return refusals instead of the forget answers, and beside the retain answers."""
        retain = super().draws(args, sides)["retain"]
        refusals = load_refusals(args.refusals)
        return {
            "refusal": refused_rows(rows_themselves(sides["forget"]), *refusals, args.seed),
            "retain": retain,
            "retain_refusal": refused_rows(retain, *refusals, args.seed),
        }

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent over the refusals' tokens, preference over the sequences of the retain batch."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        margins = (now["retain"].sums() - now["retain_refusal"].sums())[now["retain"].counts() > 0]
        preference = -nn.functional.logsigmoid(beta * margins).sum() / (beta * totals["retain"].rows)
        refusal = token_mean(now["refusal"], totals["refusal"])
        return {"refusal": refusal, "retain": self.args.retain_weight * preference}
