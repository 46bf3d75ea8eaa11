"""The trainer that LLMU and SKU share: forget answers, other answers to the same questions, divergence on retain."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from .rows import Draw, Rows, answered_otherwise
from .terms import Sides, Totals, sequence_means, token_mean
from .trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class ThreeLossesConfig(UnlearningConfig):
    """Settings of both; the weights are each method's own."""

    max_steps: int = field(default=1000, metadata={"help": "Steps; -1: num_train_epochs counts."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight e1 of the forget answers."})
    random_weight: float = field(default=1.0, metadata={"help": "Weight e2 of the other answers."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight e3 of the divergence on the retain rows."})
    random_answers: int = field(default=5, metadata={"help": "Other answers K to each forget question."})


class ThreeLossesTrainer(UnlearningTrainer):
    """Add K other answers to each forget question, drawn for each row and anew in every epoch."""

    source: ClassVar[str]  # side that the other answers come from

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return other answers beside the rows of both sides."""
        random = answered_otherwise(sides["forget"], sides[self.source], args.random_answers, args.seed)
        return {**super().draws(args, sides), "random": random}

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the retain answers."""
        return {"retain": self.logits}

    def three(self, model: nn.Module, batch: Sides, totals: Totals) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return weighted `L_f`, `mean_k L(x_f, other answer k)` and `KL(p0 || p)` on retain, with plus signs."""
        now = self.likelihoods(model, batch)
        forget = token_mean(now["forget"], totals["forget"])
        random = sequence_means(now["random"]).sum() / totals["random"].rows
        retain = self.divergence(now["retain"], model, batch, "retain") / totals["retain"].tokens
        return self.args.forget_weight * forget, self.args.random_weight * random, self.args.retain_weight * retain
