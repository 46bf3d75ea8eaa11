"""MMUnlearner: ascend only by weights that matter more to the forget rows than to the others (arXiv 2502.11051)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from clear_unlearning.likelihood import answer_likelihood

from .base.regularisers import trainable
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer
from .base.wrappers.wrapper import TwoGradients, Wrapper, added

SMALL = 1e-15  # e, so that a weight without a gradient on either side is trained


@dataclass
class MMUnlearnerConfig(UnlearningConfig):
    """Settings of MMUnlearner: the authors' for CLEAR."""

    num_train_epochs: float = field(default=1, metadata={"help": "Passes over the forget rows."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the ascent."})
    saliency: float = field(default=1.0, metadata={"help": "Ratio of the squares from which a weight ascends."})

    def __post_init__(self) -> None:
        """Check that no other rule shall make the steps."""
        if self.optimizer_wrapper is not None:
            raise ValueError(f"mmunlearner has a step of its own: give no optimizer_wrapper {self.optimizer_wrapper}")
        if not self.saliency > 0:
            raise ValueError(f"saliency must be above 0, not {self.saliency}")
        super().__post_init__()


class MMUnlearnerTrainer(UnlearningTrainer):
    """Minimise `-g L_f + L_r`; the first moves only the weights with `(F_f + e) / (F_r + e) >= saliency`.

    F is the mean over the rows of the squared gradient of a row's loss per token, before the first step. Both
    gradients make one step; the authors take a step by each, and the squares of batches of two.
    """

    args: MMUnlearnerConfig
    _tag_names = ["clear", "unlearning", "mmunlearner"]
    _name = "MMUnlearner"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        with self._vision:
            forget, retain = (self.squares(side) for side in ("forget", "retain"))
        self.wrapper = MaskedAscent(self.args, masks_of(forget, retain, self.args.saliency))

    def squares(self, side: str) -> list[torch.Tensor]:
        """Return the mean squared gradient of the rows of a side, one tensor a weight."""
        weights, rows = trainable(self.model), self.rows[side]
        found = [torch.zeros_like(weight) for weight in weights]
        self.model.eval()
        for batch in self.batches(side, 1):
            loss = answer_likelihood(self.model, batch).log_probs.mean()
            gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
            for total, gradient in zip(found, gradients, strict=True):
                total.add_(gradient.square(), alpha=1 / len(rows))
        return found

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return ascent on the forget answers beside descent on the retain answers."""
        now = self.likelihoods(model, batch)
        forget, retain = (token_mean(now[side], totals[side]) for side in ("forget", "retain"))
        return {"forget": -self.args.forget_weight * forget, "retain": retain}


def masks_of(forget: Sequence[torch.Tensor], retain: Sequence[torch.Tensor], saliency: float) -> list[torch.Tensor]:
    """Return which weights the forget gradient moves, from the squared gradients of both sides."""
    return [(one + SMALL) / (other + SMALL) >= saliency for one, other in zip(forget, retain, strict=True)]


class MaskedAscent(Wrapper):
    """Step by `mask g_f + g_r`."""

    def __init__(self, args: Any, masks: list[torch.Tensor]) -> None:
        super().__init__(args)
        self.masks = masks

    def combine(self, two: TwoGradients) -> list[torch.Tensor]:
        """Return the retain gradient, plus the forget gradient where a weight may move by it."""
        return added([gradient * mask for gradient, mask in zip(two.forget, self.masks, strict=True)], two.retain)
