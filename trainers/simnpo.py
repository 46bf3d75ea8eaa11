"""SimNPO: NPO by the mean likelihood of an answer, without a reference (arXiv 2410.07163)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, sequence_means, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class SimNPOConfig(UnlearningConfig):
    """Settings of SimNPO: the authors' for TOFU's forget10; for forget05 beta is 2.5 and `forget_weight` .1375."""

    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the forget rows."})
    beta: float = field(default=4.5, metadata={"help": "Inverse temperature b of the preference."})
    delta: float = field(default=0.0, metadata={"help": "Margin d in nats, taken off an answer's loss per token."})
    forget_weight: float = field(default=0.125, metadata={"help": "Weight g of the preference term."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the temperature."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        super().__post_init__()


class SimNPOTrainer(UnlearningTrainer):
    """Minimise `-g (2/b) log sigmoid(b (L(y_f) - d)) + a L_r`, `L(y_f)` the loss per token of each forget answer.

    A long answer weighs as much as a short one. The authors call the margin gamma.
    """

    args: SimNPOConfig
    _tag_names = ["clear", "unlearning", "simnpo"]
    _name = "SimNPO"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return preference over the sequences of the forget batch, likelihood over the tokens of the retain batch."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        margins = beta * (sequence_means(now["forget"]) - self.args.delta)
        forget = -2 / beta * nn.functional.logsigmoid(margins).sum() / totals["forget"].rows
        retain = token_mean(now["retain"], totals["retain"])
        return {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}
