"""Muon for matrices with AdamW for everything else, as one optimizer.

A tiny vision-language model trained from scratch learns its faces by Muon and does not by AdamW in the same number of
steps. transformers has no such choice, so the pair is passed to its Trainer as one object that steps both and saves
the state of both. Muon: https://kellerjordan.github.io/posts/muon/ (here `torch.optim.Muon`).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class MuonWithAdamW(torch.optim.Optimizer):
    """Steps `torch.optim.Muon` on the hidden matrices and `torch.optim.AdamW` on embeddings, norms and biases.

    Args:
        named_parameters: Parameters with their names; those that need no gradient are left out.
        lr: Learning rate of both: Muon's update is scaled to the size of AdamW's.
        weight_decay: Of both.
        betas: AdamW's.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        matrices, others = [], []
        for name, parameter in named_parameters:
            if parameter.requires_grad:
                hidden = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
                (matrices if hidden else others).append(parameter)
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, betas=betas),
        ]
        super().__init__([*matrices, *others], {"lr": lr})
        # A scheduler writes the learning rate into these groups: they are the parts' own.
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Takes one step of both."""
        for part in self._parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of both."""
        for part in self._parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of both, in order."""
        return {"parts": [part.state_dict() for part in self._parts], "param_groups": [], "state": {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores both."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]
