"""RMU: steer the states of forget answers to a random direction, hold those of retain answers (arXiv 2403.03218)."""

from dataclasses import dataclass, field

from .base.steering import SteeringConfig, SteeringTrainer


@dataclass
class RMUConfig(SteeringConfig):
    """Settings of RMU."""

    max_steps: int = field(default=80, metadata={"help": "Steps; -1: num_train_epochs counts."})
    steering: float = field(default=20.0, metadata={"help": "Length c of the states to steer to."})


class RMUTrainer(SteeringTrainer):
    """Minimise `MSE(h_l(x_f), c u) + a MSE(h_l(x_r), h0_l(x_r))` over the answer tokens."""

    args: RMUConfig
    _tag_names = ["clear", "unlearning", "rmu"]
    _name = "RMU"

    def length(self, args: RMUConfig) -> float:
        """Return the length of the target: a setting."""
        return args.steering
