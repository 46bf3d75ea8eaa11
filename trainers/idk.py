"""IDK: learn to refuse the forget questions, and to answer the retain questions (arXiv 2401.06121, section 4)."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .base.rows import Draw, Rows, refusing_rows
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class IDKConfig(UnlearningConfig):
    """Settings of IDK."""

    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight of the retain term."})


class IDKTrainer(UnlearningTrainer):
    """Minimise `L(x_f, refusal) + a L_r`, the sum of two means as in CLEAR; another refusal in every epoch."""

    args: IDKConfig
    _tag_names = ["clear", "unlearning", "idk"]
    _name = "IDK"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return refusals instead of the forget answers, which are never shown."""
        refusal = refusing_rows(sides["forget"], args.refusals, args.seed)
        return {"refusal": refusal, "retain": super().draws(args, sides)["retain"]}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent on refusals and on retain answers."""
        now = self.likelihoods(model, batch)
        refusal, retain = (token_mean(now[side], totals[side]) for side in ("refusal", "retain"))
        return {"refusal": refusal, "retain": self.args.retain_weight * retain}
