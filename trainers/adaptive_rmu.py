"""Adaptive RMU: RMU whose target is as long as the states are, times a factor (arXiv 2408.06223)."""

from dataclasses import dataclass, field

import torch

from .base.steering import SteeringConfig, SteeringTrainer


@dataclass
class AdaptiveRMUConfig(SteeringConfig):
    """Settings of adaptive RMU."""

    max_steps: int = field(default=150, metadata={"help": "Steps; -1: num_train_epochs counts."})
    beta: float = field(default=5.0, metadata={"help": "Length of the target over that of the forget states (b)."})
    retain_weight: float = field(default=1200.0, metadata={"help": "Weight a of the retain term."})

    def __post_init__(self) -> None:
        """Check the factor."""
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0, not {self.beta}")
        super().__post_init__()


class AdaptiveRMUTrainer(SteeringTrainer):
    """Minimise `MSE(h_l(x_f), b ||h0_l|| u) + a MSE(h_l(x_r), h0_l(x_r))` over the answer tokens.

    `||h0_l||` is the mean length of the original's states at the answer tokens of all forget rows. The authors take
    the first batch; all rows give the same number after a resume and for any batch size.
    """

    args: AdaptiveRMUConfig
    _tag_names = ["clear", "unlearning", "adaptive_rmu"]
    _name = "Adaptive RMU"

    def length(self, args: AdaptiveRMUConfig) -> float:
        """Return the factor; the length of the states is not known before the original has read them."""
        return args.beta

    @torch.no_grad()
    def before_training(self) -> None:
        """Make the target as long as the states of the forget answers."""
        self.model.eval()
        states = torch.cat([self.states(self.model, batch) for batch in self.batches("forget")])
        length = self.args.beta * states.norm(dim=-1).mean().cpu()
        self.target = length * self.target / self.target.norm()
