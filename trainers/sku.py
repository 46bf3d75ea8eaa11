"""SKU: learn the harmful knowledge first, then take its task vector away from the original (arXiv 2402.10058)."""

from dataclasses import dataclass, field

from torch import nn

from .base.task_vector import keep_start, negate
from .base.terms import Sides, Terms, Totals
from .base.three_losses import ThreeLossesConfig, ThreeLossesTrainer


@dataclass
class SKUConfig(ThreeLossesConfig):
    """Settings of SKU."""

    learning_rate: float = field(default=2e-4, metadata={"help": "Peak learning rate."})
    forget_weight: float = field(default=2.5, metadata={"help": "Weight e1 of the descent on the forget answers."})
    random_weight: float = field(default=2.5, metadata={"help": "Weight e2 of other forget answers."})
    task_vector: float = field(default=1.0, metadata={"help": "Share s of the task vector that is taken away."})


class SKUTrainer(ThreeLossesTrainer):
    """Minimise `e1 L_f + e2 mean_k L(x_f, other forget answer k) - e3 KL(p0 || p)` on retain; then negate.

    The weights become `theta_0 - s (theta_1 - theta_0)`.
    """

    args: SKUConfig
    source = "forget"
    _tag_names = ["clear", "unlearning", "sku"]
    _name = "SKU"

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the first stage: it learns what is to be forgotten and leaves the original on the retain answers."""
        forget, random, retain = self.three(model, batch, totals)
        return {"forget": forget, "random": random, "retain": -retain}

    def before_training(self) -> None:
        """Write the original weights down."""
        keep_start(self)

    def after_training(self) -> None:
        """Run the second stage: negate what was learned."""
        negate(self, self.args.task_vector)
