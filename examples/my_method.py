"""A method of one's own, outside of the package: SimNPO, NPO without a reference (arXiv 2410.07163, equation 4).

    clear-unlearning unlearn --method examples/my_method.py:SimNPOTrainer --model_name_or_path runs/original ...

Config and Trainer stand in one file; the Trainer names its Config as the type of `args`.
"""

from dataclasses import dataclass, field

from torch import nn

from clear_unlearning import (
    Sides,
    Terms,
    Totals,
    UnlearningConfig,
    UnlearningTrainer,
    sequence_means,
    token_mean,
)


@dataclass
class SimNPOConfig(UnlearningConfig):
    """Settings of SimNPO."""

    beta: float = field(default=2.5, metadata={"help": "Inverse temperature."})
    gamma: float = field(default=0.0, metadata={"help": "Margin of the reward."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the temperature."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        super().__post_init__()


class SimNPOTrainer(UnlearningTrainer):
    """Minimise `-(2/b) log sigmoid(-(b/|y|) logp(y_f) - gamma) + a L_r`; a long answer weighs as a short one."""

    args: SimNPOConfig

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the preference over the answers of the forget batch, and the loss of the retain answers."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        rewards = beta * sequence_means(now["forget"]) - self.args.gamma
        forget = -2 / beta * nn.functional.logsigmoid(rewards).sum() / totals["forget"].rows
        return {"forget": forget, "retain": self.args.retain_weight * token_mean(now["retain"], totals["retain"])}
