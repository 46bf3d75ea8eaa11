"""Bad teacher: know no more of the forget rows than an untrained network, hold the retain rows (arXiv 2205.08096)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from clear_unlearning.batches import Batch, answer_counts, to_device

from .base.batching import epochs_begun
from .base.likelihoods import ReferenceCache
from .base.rows import Drawn
from .base.terms import Sides, Terms, Totals
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer

TEACHER_FOLDER = "kept-bad-teacher"  # goes when the checkpoints go


@dataclass
class BadTeacherConfig(UnlearningConfig):
    """Settings of the bad teacher; the paper has none for language models."""

    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the divergence from the untrained one."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of that from the original."})


class BadTeacherTrainer(UnlearningTrainer):
    """Minimise `g KL(bad || p)` on forget and `a KL(p0 || p)` on retain; bad is the same network before any training.

    What it says of the forget rows is computed once, before the first step, and kept beside the checkpoints: no second
    model is in memory while one trains. Its weights are drawn by the seed.
    """

    args: BadTeacherConfig
    _tag_names = ["clear", "unlearning", "bad_teacher"]
    _name = "Bad teacher"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._untrained: nn.Module | None = None
        with self.accelerator.main_process_first():  # it computes for all
            self._teacher = ReferenceCache(self.folder / TEACHER_FOLDER)
            epochs = epochs_begun(self.args, len(self.train_dataset))
            examples = self.data_collator.examples(self.train_dataset, epochs, ("forget",))
            self._teacher.fill(examples, self._teach, self.args.per_device_train_batch_size)
        self._untrained = None

    def _teach(self, side: str, drawn: Drawn) -> list[torch.Tensor]:
        if self._untrained is None:
            self._untrained = self.untrained()
        batch = to_device(self.data_collator.encode(drawn), self.args.device)
        with torch.no_grad(), self.accelerator.autocast():
            value = self.logits(self._untrained, batch)
        return list(value.split(answer_counts(batch)))

    def untrained(self) -> nn.Module:
        """Return the model's network with weights as they are drawn before training."""
        model: Any = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        with torch.random.fork_rng():
            torch.manual_seed(self.args.seed)
            return type(model)(model.config).to(self.args.device, model.dtype).eval()

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the retain answers."""
        return {"retain": self.logits}

    def reference(self, model: nn.Module, batch: Sides, side: str) -> torch.Tensor:
        """Return the untrained network's logits on the forget side, the original's on the retain side."""
        if side == "forget":
            return self._teaching(batch[side])
        return super().reference(model, batch, side)

    def _teaching(self, batch: Batch) -> torch.Tensor:
        return self._teacher.get("forget", batch["index"].tolist(), answer_counts(batch)).to(self.args.device)

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the divergences from both teachers."""
        now = self.likelihoods(model, batch)
        weights = {"forget": self.args.forget_weight, "retain": self.args.retain_weight}
        return {
            side: weight * self.divergence(now[side], model, batch, side) / totals[side].tokens
            for side, weight in weights.items()
        }
