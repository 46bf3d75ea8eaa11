"""KVW: weaken the MLP's values that answers to forget need more than others, without training (arXiv 2601.21794)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from clear_unlearning.batches import IGNORE, Batch
from clear_unlearning.likelihood import answer_likelihood

from .base.gradient_free import GradientFreeConfig, GradientFreeTrainer, inputs_of, modules_ending
from .base.terms import Sides

SMALL = 1e-12  # e of the logarithms


@dataclass
class KVWConfig(GradientFreeConfig):
    """Settings of KVW: the authors' for CLEAR."""

    per_device_train_batch_size: int = field(default=1, metadata={"help": "Rows after which the weights change."})
    weakening: float = field(default=0.02, metadata={"help": "Strength g of a step."})
    first_layer: int = field(default=1, metadata={"help": "First layer that is weakened, from 0."})
    last_layer: int | None = field(default=None, metadata={"help": "Last one; by default 25, or the model's last."})

    def __post_init__(self) -> None:
        """Check the strength."""
        if not self.weakening > 0:
            raise ValueError(f"weakening must be above 0, not {self.weakening}")
        super().__post_init__()


class KVWTrainer(GradientFreeTrainer):
    """Multiply column i of `mlp.down_proj` by `exp(-g max(0, log c_f,i - log c_r,i))` after each step.

    `c_i` is the mean absolute coefficient i, an input of down_proj, at the positions that predict answer tokens: `c_f`
    of the step's forget rows under the weights as they are, `c_r` of all retain rows under the original.
    """

    args: KVWConfig
    _tag_names = ["clear", "unlearning", "kvw"]
    _name = "KVW"

    def changed_modules(self, model: PreTrainedModel, args: Any) -> list[nn.Module]:
        """Return down_proj of the layers to weaken."""
        deepest = model.config.get_text_config().num_hidden_layers - 1
        last = min(25, deepest) if args.last_layer is None else args.last_layer
        self.projections = modules_ending(model, "mlp.down_proj", args.first_layer, last)
        return self.projections

    @torch.no_grad()
    def before_training(self) -> None:
        """Measure the coefficients of the retain answers."""
        self.model.eval()
        self._sums: list[torch.Tensor] = []
        self._count = torch.zeros((), device=self.args.device)
        for batch in self.batches("retain"):
            with inputs_of(self.projections) as inputs:
                answer_likelihood(self.model, batch)
            self._add(inputs, batch)
        self.retained, self._sums = [total / self._count for total in self._sums], []

    def read(self, model: nn.Module, batch: Sides, totals: Any) -> torch.Tensor:
        """Add up the coefficients of a batch of forget answers."""
        with inputs_of(self.projections) as inputs:
            loss = super().read(model, batch, totals)
        self._add(inputs, batch["forget"])
        return loss

    def _add(self, inputs: Sequence[Sequence[torch.Tensor]], batch: Batch) -> None:
        predicts = batch["labels"][:, 1:] != IGNORE
        sums = [own[0][:, :-1][predicts].float().abs().sum(0) for own in inputs]
        if not self._sums:
            self._sums, self._count = [torch.zeros_like(own) for own in sums], torch.zeros_like(self._count)
        self._sums = [total + own for total, own in zip(self._sums, sums, strict=True)]
        self._count = self._count + predicts.sum()

    def change(self) -> None:
        """Weaken the columns by what the rows of the step have."""
        count: Any = self.accelerator.reduce(self._count, reduction="sum")
        forget = [self.accelerator.reduce(total, reduction="sum") / count for total in self._sums]  # type: ignore
        for projection, gate in zip(self.projections, gates(forget, self.retained, self.args.weakening), strict=True):
            projection.weight.mul_(gate)
        self._sums = []


def gates(forget: Sequence[torch.Tensor], retain: Sequence[torch.Tensor], strength: float) -> list[torch.Tensor]:
    """Return what each coefficient's column is multiplied by, layer by layer, from the mean coefficients."""
    pairs = zip(forget, retain, strict=True)
    return [(-strength * ((one + SMALL).log() - (other + SMALL).log()).clamp(min=0)).exp() for one, other in pairs]
