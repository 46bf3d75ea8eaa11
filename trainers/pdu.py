"""PDU: flatten the logits of forget answers under a bound on the retain loss, primal-dual (arXiv 2506.05314)."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn
from transformers import TrainerCallback

from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer

MULTIPLIER = "retain_multiplier"  # in the history, where a resumed run finds its last value


@dataclass
class PDUConfig(UnlearningConfig):
    """Settings of PDU: the authors' for TOFU, where they train 10 to 30 epochs."""

    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the forget rows."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=100.0, metadata={"help": "Multiplier of the retain loss at first."})
    retain_bound: float = field(default=0.3, metadata={"help": "What the retain loss should stay below (e), in nats."})
    dual_step: float = field(default=5.0, metadata={"help": "Step s of the multiplier."})
    dual_warmup_epochs: float = field(default=5, metadata={"help": "Epochs before the multiplier moves."})


class PDUTrainer(UnlearningTrainer):
    """Minimise `g mean_t (max z - mean z)^2 + m (L_r - e)`; after each step `m <- max(0, m + s (L_r - e))`.

    The loss leaves out `-m e`, which has no gradient; `L_r` is that of the whole step, over all processes.
    """

    args: PDUConfig
    _tag_names = ["clear", "unlearning", "pdu"]
    _name = "PDU"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.multiplier = self.args.retain_weight
        self.add_callback(DualStep(self))

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return how far the largest logit is above the mean on forget, likelihood on retain."""
        now = self.likelihoods(model, batch)
        logits = now["forget"].logits
        peaks = (logits.max(-1).values - logits.mean(-1)).square()
        forget = peaks.sum() / totals["forget"].tokens
        retain = token_mean(now["retain"], totals["retain"])
        return {"forget": self.args.forget_weight * forget, "retain": self.multiplier * retain}


class DualStep(TrainerCallback):
    """Move the multiplier of a trainer after each step, and log it."""

    def __init__(self, trainer: PDUTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up the last value of the history."""
        values = [row[MULTIPLIER] for row in state.log_history if MULTIPLIER in row]
        self.trainer.multiplier = values[-1] if values else args.retain_weight

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise the multiplier by what the retain loss is above its bound, once the first epochs are over."""
        if state.epoch > args.dual_warmup_epochs:
            above = self.trainer.nats["retain_loss"] - args.retain_bound
            self.trainer.multiplier = max(0.0, self.trainer.multiplier + args.dual_step * above)
            state.log_history.append({"step": state.global_step, MULTIPLIER: self.trainer.multiplier})
