"""Direct preference optimisation: a refusal is preferred to the forget answer (arXiv 2305.18290; TOFU 2401.06121).

It stands on our base and not on TRL's DPOTrainer, which takes no retain term, divides by the batch of one process and
refuses to compute the reference beforehand for photos; what is left of it is the line in `losses`.
"""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .base.rows import Draw, Rows, refusing_rows
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class DPOConfig(UnlearningConfig):
    """Settings of DPO with a retain term; `retain_weight` 0 is TOFU's."""

    beta: float = field(default=0.1, metadata={"help": "Inverse temperature b of the preference."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})
    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})

    def __post_init__(self) -> None:
        """Check the temperature."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        super().__post_init__()


class DPOTrainer(UnlearningTrainer):
    """Minimise `-(2/b) log sigmoid(b [gain(refusal) - gain(y_f)]) + a L_r`, `gain = logp - logp0` over the answer."""

    args: DPOConfig
    _tag_names = ["clear", "unlearning", "dpo"]
    _name = "DPO"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return refusals beside the forget answers, another one in every epoch."""
        refusal = refusing_rows(sides["forget"], args.refusals, args.seed)
        return {**super().draws(args, sides), "refusal": refusal}

    def references(self) -> dict[str, Quantity]:
        """Return the log-probabilities of both answers."""
        return {"forget": self.log_probs, "refusal": self.log_probs}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return preference over the sequences of the forget batch, likelihood over the tokens of the retain batch."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        refusal, forget = (self.gains(now[side], model, batch, side) for side in ("refusal", "forget"))
        preference = -2 / beta * nn.functional.logsigmoid(beta * (refusal - forget)).sum() / totals["forget"].rows
        retain = token_mean(now["retain"], totals["retain"])
        return {"forget": preference, "retain": self.args.retain_weight * retain}
