"""SKU: learn the harmful knowledge first, then take its task vector away from the original (arXiv 2402.10058)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn

from .base import Quantity, Sides, Terms, Totals, UnlearningConfig, UnlearningTrainer, token_mean
from .divergence import sequence_means, token_kl
from .regularisers import named_trainable
from .rows import Draw, Rows, answered_otherwise

START_FILE = "start.safetensors"


@dataclass
class SKUConfig(UnlearningConfig):
    """Settings of SKU."""

    learning_rate: float = field(default=2e-4, metadata={"help": "Peak learning rate."})
    max_steps: int = field(default=1000, metadata={"help": "Steps; -1: num_train_epochs counts."})
    forget_weight: float = field(default=2.5, metadata={"help": "Weight e1 of the descent on the forget answers."})
    random_weight: float = field(default=2.5, metadata={"help": "Weight e2 of other people's answers."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight e3 of the divergence on the retain rows."})
    random_answers: int = field(default=5, metadata={"help": "Other forget answers K to each forget question."})
    task_vector: float = field(default=1.0, metadata={"help": "Share s of the task vector that is taken away."})


class SKUTrainer(UnlearningTrainer):
    """Minimises `e1 L_f + e2 mean_k L(x_f, other forget answer k) - e3 KL(p0 || p)` on retain; then negates.

    The weights become `theta_0 - s (theta_1 - theta_0)`. Under LoRA that is the negated adapter; otherwise the
    original weights wait in a file beside the checkpoints.
    """

    args: SKUConfig
    _tag_names = ["clear", "unlearning", "sku"]
    _name = "SKU"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Answers of other forget rows to the forget questions."""
        random = answered_otherwise(sides["forget"], sides["forget"], args.random_answers, args.seed)
        return {**super().draws(args, sides), "random": random}

    def references(self) -> dict[str, Quantity]:
        """Logits of the retain answers."""
        return {"retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """The first stage: it learns what is to be forgotten and leaves the original on the retain answers."""
        forget = token_mean(self.likelihood(model, batch["forget"]), totals["forget"])
        random = sequence_means(self.likelihood(model, batch["random"])).sum() / totals["random"].rows
        kept = self.reference(model, batch, "retain")
        retain = token_kl(kept, self.likelihood(model, batch["retain"]).logits).sum() / totals["retain"].tokens
        return {
            "forget": self.args.forget_weight * forget,
            "random": self.args.random_weight * random,
            "retain": -self.args.retain_weight * retain,
        }

    def before_training(self) -> None:
        """Writes the original weights down."""
        if not isinstance(self.model, PeftModel) and self.is_world_process_zero():
            path = self.folder / START_FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: weight.detach() for name, weight in named_trainable(self.model).items()}, path)

    @torch.no_grad()
    def after_training(self) -> None:
        """The second stage: negates what was learned."""
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
