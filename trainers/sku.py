"""SKU: learn the harmful knowledge first, then take its task vector away from the original (arXiv 2402.10058)."""

from dataclasses import dataclass, field

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn

from .base.regularisers import named_trainable
from .base.terms import Sides, Terms, Totals
from .base.three_losses import ThreeLossesConfig, ThreeLossesTrainer

START_FILE = "start.safetensors"


@dataclass
class SKUConfig(ThreeLossesConfig):
    """Settings of SKU."""

    learning_rate: float = field(default=2e-4, metadata={"help": "Peak learning rate."})
    forget_weight: float = field(default=2.5, metadata={"help": "Weight e1 of the descent on the forget answers."})
    random_weight: float = field(default=2.5, metadata={"help": "Weight e2 of other forget answers."})
    task_vector: float = field(default=1.0, metadata={"help": "Share s of the task vector that is taken away."})


class SKUTrainer(ThreeLossesTrainer):
    """Minimise `e1 L_f + e2 mean_k L(x_f, other forget answer k) - e3 KL(p0 || p)` on retain; then negates.

    The weights become `theta_0 - s (theta_1 - theta_0)`. Under LoRA that is the negated adapter; otherwise the
    original weights wait in a file beside the checkpoints.
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
        if not isinstance(self.model, PeftModel) and self.is_world_process_zero():
            path = self.folder / START_FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: weight.detach() for name, weight in named_trainable(self.model).items()}, path)

    @torch.no_grad()
    def after_training(self) -> None:
        """Run the second stage: negate what was learned."""
        if isinstance(self.model, PeftModel):  # the change is B A
            for name, weight in named_trainable(self.model).items():
                if "lora_B" in name:
                    weight.mul_(-self.args.task_vector)
            return
        self.accelerator.wait_for_everyone()
        path = self.folder / START_FILE
        start = load_file(path)
        for name, weight in named_trainable(self.model).items():
            before = start[name].to(weight.device)
            weight.copy_(before - self.args.task_vector * (weight - before))
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            path.unlink()
