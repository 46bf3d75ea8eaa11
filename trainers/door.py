"""DOOR: learn to refuse and unlearn the forget answer at once, from jailbreaks taken over (arXiv 2503.03710)."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .base.rows import Draw, Rows, refusing_rows
from .base.terms import Sides, Terms, Totals
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class DOORConfig(UnlearningConfig):
    """Settings of DOOR: the authors'."""

    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the forget rows."})
    per_device_train_batch_size: int = field(default=2, metadata={"help": "Rows of each side in a step."})
    beta: float = field(default=0.5, metadata={"help": "Inverse temperature b of the preference."})
    forget_share: float = field(default=0.2, metadata={"help": "Share a of refusals and preference in the loss."})
    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})

    def __post_init__(self) -> None:
        """Check temperature and share."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        if not 0 < self.forget_share <= 1:
            raise ValueError(f"forget_share must be above 0 and at most 1, not {self.forget_share}")
        super().__post_init__()


class DOORTrainer(UnlearningTrainer):
    """Minimise `a [-logp(refusal) - (2/b) log sigmoid(-b gain(y_f))] + (1 - a) (-logp(y_r))`, means over the answers.

    The weighted form (W-DOOR), which takes the tokens' weights from a second model that DPO has trained, is left out.
    """

    args: DOORConfig
    _tag_names = ["clear", "unlearning", "door"]
    _name = "DOOR"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return refusals beside the forget answers, another one in every epoch."""
        refusal = refusing_rows(sides["forget"], args.refusals, args.seed)
        return {**super().draws(args, sides), "refusal": refusal}

    def references(self) -> dict[str, Quantity]:
        """Return the log-probabilities of the forget answers."""
        return {"forget": self.log_probs}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent on refusals and on retain answers, preference against the forget answers."""
        share, beta = self.args.forget_share, self.args.beta
        now = self.likelihoods(model, batch)
        refusal, retain = (-now[side].sums().sum() / totals[side].rows for side in ("refusal", "retain"))
        gains = self.gains(now["forget"], model, batch, "forget")
        forget = -2 / beta * nn.functional.logsigmoid(-beta * gains).sum() / totals["forget"].rows
        return {"refusal": share * refusal, "forget": share * forget, "retain": (1 - share) * retain}
