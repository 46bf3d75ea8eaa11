"""A method of one's own, outside of the package: TNPO, NPO for each token by itself (arXiv 2502.19301).

    clear-unlearning unlearn --method examples/my_method.py:TNPOTrainer --model_name_or_path runs/original ...

Config and Trainer stand in one file; the Trainer names its Config as the type of `args`.
"""

from dataclasses import dataclass, field

from torch import nn

from clear_unlearning import (
    Quantity,
    Sides,
    Terms,
    Totals,
    UnlearningConfig,
    UnlearningTrainer,
    token_mean,
)


@dataclass
class TNPOConfig(UnlearningConfig):
    """Settings of TNPO."""

    beta: float = field(default=4.0, metadata={"help": "Inverse temperature."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the temperature."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        super().__post_init__()


class TNPOTrainer(UnlearningTrainer):
    """Minimise `-(2/b) log sigmoid(-b (log p - log p0))`, the mean over the forget tokens, `+ a L_r`.

    Its slope is the paper's weight `2 p^b / (p^b + p0^b)`: a token counts less, the less likely it already is.
    """

    args: TNPOConfig

    def references(self) -> dict[str, Quantity]:
        """Return what the loss needs of the original model: log-probabilities of the forget tokens."""
        return {"forget": self.log_probs}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the preference over the tokens of the forget batch, and the loss of the retain answers."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        gains = now["forget"].log_probs - self.reference(model, batch, "forget")
        forget = -2 / beta * nn.functional.logsigmoid(-beta * gains).sum() / totals["forget"].tokens
        return {"forget": forget, "retain": self.args.retain_weight * token_mean(now["retain"], totals["retain"])}
