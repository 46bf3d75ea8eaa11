"""What every optimizer wrapper is: a rule that turns the two gradients of a step into one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn


@dataclass
class TwoGradients:
    """The gradients of one step, of all its rows over all processes.

    Attributes:
        weights: The trained weights.
        forget: Gradient of the forget terms of the loss, one tensor a weight.
        retain: That of the retain terms; zeros if the step has none.
        again: Computes the forget gradient once more, at the weights as they are then.
    """

    weights: Sequence[nn.Parameter]
    forget: list[torch.Tensor]
    retain: list[torch.Tensor]
    again: Callable[[], list[torch.Tensor]]


class Wrapper:
    """A rule. Gradients are descended: a forget term that shall rise has its minus sign already.

    Args:
        args: The method's Config.
    """

    needs: ClassVar[tuple[str, ...]] = ("forget", "retain")  # sides whose gradients it cannot do without
    looks_again: ClassVar[bool] = False  # whether it uses `again`

    def __init__(self, args: Any) -> None:
        self.args = args

    def combine(self, two: TwoGradients) -> list[torch.Tensor]:
        """Return the gradient that the optimizer is given, one tensor a weight."""
        raise NotImplementedError

    def optimizer(self, build: Callable[[], torch.optim.Optimizer]) -> torch.optim.Optimizer:
        """Return the optimizer; `build` makes one as the settings say."""
        return build()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs; the optimizer keeps its own."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what a checkpoint keeps."""


def dot(ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the inner product over all tensors together, in double precision."""
    pairs = zip(ones, others, strict=True)
    return torch.stack([(one.float() * other.float()).sum(dtype=torch.float64) for one, other in pairs]).sum()


def added(ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor], share: Any = 1.0) -> list[torch.Tensor]:
    """Return `ones + share * others`, tensor by tensor."""
    return [one + share * other for one, other in zip(ones, others, strict=True)]
