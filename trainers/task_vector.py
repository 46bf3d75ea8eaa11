"""Task vector: learn the forget rows further, then take what was learned away from the original (arXiv 2212.04089)."""

from dataclasses import dataclass, field

from torch import nn

from .base.task_vector import keep_start, negate
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer


@dataclass
class TaskVectorConfig(UnlearningConfig):
    """Settings of the task vector; the paper chooses the share on held-out rows."""

    task_vector: float = field(default=1.0, metadata={"help": "Share s of the task vector that is taken away."})


class TaskVectorTrainer(UnlearningTrainer):
    """Minimise `L_f`, then end with the weights `theta_0 - s (theta_1 - theta_0)`; retain rows are not used."""

    args: TaskVectorConfig
    _tag_names = ["clear", "unlearning", "task_vector"]
    _name = "Task vector"
    needs = ("forget",)

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent on the forget answers: the sign turns with the weights."""
        return {"forget": token_mean(self.likelihoods(model, batch)["forget"], totals["forget"])}

    def before_training(self) -> None:
        """Write the original weights down."""
        keep_start(self)

    def after_training(self) -> None:
        """Take what was learned away."""
        negate(self, self.args.task_vector)
