"""DualOptim: an optimizer state of its own for the forget and for the retain gradient (arXiv 2504.15827)."""

from collections.abc import Callable
from typing import Any

import torch

from .wrapper import TwoGradients, Wrapper


class DualOptim(Wrapper):
    """Step by the forget gradient and then by the retain gradient, each with its own moments.

    Both gradients are those of the step's first weights. The authors go by turns, with five retain steps to each
    forget step: `--retain_ratio 5` draws as many rows.
    """

    def combine(self, two: TwoGradients) -> list[torch.Tensor]:
        """Return the forget gradient; the other one waits for the second step, cut to the same length."""
        if self.args.max_grad_norm > 0:
            norm = torch.nn.utils.get_total_norm(two.retain)
            share = float((self.args.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
            two.retain = [gradient * share for gradient in two.retain]
        self.pair.retain = dict(zip(two.weights, two.retain, strict=True))
        return two.forget

    def optimizer(self, build: Callable[[], torch.optim.Optimizer]) -> torch.optim.Optimizer:
        """Return two of the same kind as one."""
        self.pair = OptimizerPair(build(), build(), self.args.dualoptim_forget_rate)
        return self.pair


class OptimizerPair(torch.optim.Optimizer):
    """Two optimizers of the same weights, which step one after the other and have a state each.

    Args:
        forget: Steps by the weights' own gradients.
        retain: Steps by the gradients in `self.retain`, by weight.
        forget_rate: Learning rate of the first, in those of the second.
    """

    def __init__(self, forget: torch.optim.Optimizer, retain: torch.optim.Optimizer, forget_rate: float) -> None:
        self._parts = (forget, retain)
        for group in forget.param_groups:
            group["lr"] *= forget_rate
        super().__init__([weight for group in retain.param_groups for weight in group["params"]], {"lr": 0.0})
        self.retain: dict[torch.Tensor, torch.Tensor] = {}
        self._join()

    def _join(self) -> None:
        # A scheduler writes the learning rate into these groups: they are the parts' own. The retain part's come
        # first, since the first group's rate is what the log shows.
        self.param_groups = [group for part in reversed(self._parts) for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step of both."""
        forget, retain = self._parts
        forget.step()
        for weight, gradient in self.retain.items():
            if weight.grad is not None:  # no row of the step has used it
                weight.grad = gradient
        retain.step()
        self.retain = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both, in order."""
        return {"parts": [part.state_dict() for part in self._parts], "param_groups": [], "state": {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._join()
