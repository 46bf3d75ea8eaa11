"""LLMU: ascent, random answers to the forget questions, and closeness on the retain rows (arXiv 2310.10683)."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .base import Quantity, Sides, Terms, Totals, UnlearningConfig, UnlearningTrainer, token_mean
from .divergence import sequence_means, token_kl
from .rows import Draw, Rows, answered_otherwise


@dataclass
class LLMUConfig(UnlearningConfig):
    """Settings of LLMU."""

    learning_rate: float = field(default=2e-6, metadata={"help": "Peak learning rate."})
    per_device_train_batch_size: int = field(default=2, metadata={"help": "Rows of each side in a step."})
    max_steps: int = field(default=1000, metadata={"help": "Steps; -1: num_train_epochs counts."})
    forget_weight: float = field(default=0.5, metadata={"help": "Weight e1 of the ascent."})
    random_weight: float = field(default=1.0, metadata={"help": "Weight e2 of the random answers."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight e3 of the divergence on the retain rows."})
    random_answers: int = field(default=5, metadata={"help": "Random answers K to each forget question."})


class LLMUTrainer(UnlearningTrainer):
    """Minimises `e1 (-L_f) + e2 mean_k L(x_f, retain answer k) + e3 KL(p0 || p)` on retain."""

    args: LLMUConfig
    _tag_names = ["clear", "unlearning", "llmu"]
    _name = "LLMU"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Answers of random retain rows to the forget questions, drawn for each row, others in every epoch."""
        random = answered_otherwise(sides["forget"], sides["retain"], args.random_answers, args.seed)
        return {**super().draws(args, sides), "random": random}

    def references(self) -> dict[str, Quantity]:
        """Logits of the retain answers."""
        return {"retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Ascent on the true answers, descent on random ones, divergence from the original on the retain answers."""
        forget = token_mean(self.likelihood(model, batch["forget"]), totals["forget"])
        random = sequence_means(self.likelihood(model, batch["random"])).sum() / totals["random"].rows
        kept = self.reference(model, batch, "retain")
        retain = token_kl(kept, self.likelihood(model, batch["retain"]).logits).sum() / totals["retain"].tokens
        return {
            "forget": -self.args.forget_weight * forget,
            "random": self.args.random_weight * random,
            "retain": self.args.retain_weight * retain,
        }
