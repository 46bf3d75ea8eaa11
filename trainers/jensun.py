"""JensUn: bounded divergence, towards a refusal's tokens on forget, from the original on retain (arXiv 2509.02820)."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import AnswerLikelihood

from .base.terms import Sides, Terms, Totals
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class JensUnConfig(UnlearningConfig):
    """Settings of JensUn."""

    learning_rate: float = field(default=8e-6, metadata={"help": "Peak learning rate."})
    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the forget rows."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps of warm-up; below 1, their share (one epoch)."})
    target: str = field(default="No idea", metadata={"help": "Text whose tokens take the places of an answer's."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the forget term."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})


class JensUnTrainer(UnlearningTrainer):
    """Minimise `g JSD(p, onehot(t_i))` on forget `+ a JSD(p, p0)` on retain, per answer token; at most log 2 each.

    The model reads the true answer; at its token i it should say token `i mod n` of the n tokens of the target.
    """

    args: JensUnConfig
    _tag_names = ["clear", "unlearning", "jensun"]
    _name = "JensUn"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        tokenizer = Encoder(self.processing_class).tokenizer  # type: ignore[arg-type]
        self.target = torch.tensor(tokenizer(self.args.target, add_special_tokens=False).input_ids)
        if not len(self.target):
            raise ValueError(f"target {self.args.target!r} has no tokens; give a short refusal, such as 'No idea'")

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the retain answers."""
        return {"retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return divergence from the target's tokens on forget, from the original on retain."""
        now = self.likelihoods(model, batch)
        forget = self.from_target(now["forget"]).sum() / totals["forget"].tokens
        before = self.reference(model, batch, "retain").float()
        retain = token_jsd(before, now["retain"].logits).sum() / totals["retain"].tokens
        return {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}

    def from_target(self, now: AnswerLikelihood) -> torch.Tensor:
        """Return the divergence of each answer token's prediction from certainty of its target [tokens].

        With q the target's probability it is `log 2 + (q log q - (1 + q) log(1 + q)) / 2`.
        """
        starts = now.counts().cumsum(0) - now.counts()
        places = torch.arange(len(now.row), device=now.row.device) - starts[now.row]
        targets = self.target.to(places.device)[places % len(self.target)]
        log_prob = now.logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0]
        prob = log_prob.exp()
        return math.log(2) + (prob * log_prob - (1 + prob) * prob.log1p()) / 2


def token_jsd(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the Jensen-Shannon divergence in nats [tokens] of two predictions, from logits [tokens, vocabulary]."""
    one, other = one.log_softmax(-1), other.log_softmax(-1)
    middle = torch.logaddexp(one, other) - math.log(2)
    return sum((side.exp() * (side - middle)).sum(-1) for side in (one, other)) / 2  # type: ignore[return-value]
