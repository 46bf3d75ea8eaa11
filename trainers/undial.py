"""UNDIAL: distil the model from itself with the logits of the true answer lowered (arXiv 2402.10052)."""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class UNDIALConfig(UnlearningConfig):
    """Settings of UNDIAL: those of open-unlearning. The authors train LoRA with beta 3 to 5 for 2 epochs at 6e-4."""

    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the forget rows."})
    beta: float = field(default=10.0, metadata={"help": "What is taken off the logit of a true token (b)."})

    def __post_init__(self) -> None:
        """Check the strength."""
        if self.beta < 0:
            raise ValueError(f"beta must be 0 or more, not {self.beta}")
        super().__post_init__()


class UNDIALTrainer(UnlearningTrainer):
    """Minimise the cross-entropy to `softmax(z0 - b onehot(y))`, per forget token; retain rows are not used."""

    args: UNDIALConfig
    _tag_names = ["clear", "unlearning", "undial"]
    _name = "UNDIAL"
    needs = ("forget",)

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the forget answers."""
        return {"forget": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the cross-entropy of the model to the adjusted original."""
        now = self.likelihoods(model, batch)["forget"]
        before = self.reference(model, batch, "forget").float()
        true = nn.functional.one_hot(now.targets, before.shape[-1])
        teacher = (before - self.args.beta * true).softmax(-1)
        forget = -(teacher * now.logits.log_softmax(-1)).sum() / totals["forget"].tokens
        return {"forget": forget}
