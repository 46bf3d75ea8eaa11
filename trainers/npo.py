"""Negative preference optimisation: the forget answer as the loser without a winner (NPO, arXiv 2404.05868).

Unlike gradient ascent its gradient fades as an answer becomes unlikely; for beta to 0 it is gradient ascent.
"""

from dataclasses import dataclass, field

from torch import nn

from .base.terms import Sides, Terms, Totals, token_entropy, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class NPOConfig(UnlearningConfig):
    """Settings of NPO with a retain term: the paper's NPO-RT, with kl its NPO-KL, with `retain_weight` 0 plain NPO."""

    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the forget rows."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps of warm-up; below 1, their share (one epoch)."})
    beta: float = field(default=0.1, metadata={"help": "Inverse temperature of the preference."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight of the preference term."})
    retain_loss: str = field(default="ce", metadata={"help": "What falls on the retain rows: ce or kl."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})
    forget_entropy: float = field(default=0.0, metadata={"help": "Weight of the forget tokens' entropy (paper: 1)."})
    retain_entropy: float = field(default=0.0, metadata={"help": "That of the retain tokens' (paper: -0.25)."})

    def __post_init__(self) -> None:
        """Check temperature and retain term."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        if self.retain_loss not in ("ce", "kl"):
            raise ValueError(f"retain_loss must be ce or kl, not {self.retain_loss!r}")
        super().__post_init__()


class NPOTrainer(UnlearningTrainer):
    """Minimise `-(2/b) log sigmoid(-b (logp(y_f) - logp0(y_f))) + a L_r`; with kl a `KL(p0 || p)` in its place.

    The mean token entropy of either side may be added (arXiv 2410.03523): lowered on forget, so that sampled answers
    leak no more than the likeliest, and raised on retain, so that answers stay diverse.
    """

    args: NPOConfig
    _tag_names = ["clear", "unlearning", "npo"]
    _name = "NPO"

    def references(self) -> dict[str, Quantity]:
        """Return the log-probabilities of the forget answers, logits of the retain answers for the divergence."""
        return {"forget": self.log_probs, **({"retain": self.logits} if self.args.retain_loss == "kl" else {})}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return preference over the sequences of the forget batch, likelihood over the tokens of the retain batch."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        gains = self.gains(now["forget"], model, batch, "forget")
        forget = -2 / beta * nn.functional.logsigmoid(-beta * gains).sum() / totals["forget"].rows
        if self.args.retain_loss == "ce":
            retain = token_mean(now["retain"], totals["retain"])
        else:
            retain = self.divergence(now["retain"], model, batch, "retain") / totals["retain"].tokens
        terms = {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}
        for side, weight in (("forget", self.args.forget_entropy), ("retain", self.args.retain_entropy)):
            if weight:
                terms[f"{side}_entropy"] = weight * token_entropy(now[side].logits).sum() / totals[side].tokens
        return terms
