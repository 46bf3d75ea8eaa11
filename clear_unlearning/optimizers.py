"""Muon for matrices with AdamW for everything else, as one optimizer.

A tiny vision-language model trained from scratch learns its faces by Muon and does not by AdamW in the same number of
steps. transformers has no such choice, so the pair is passed to its Trainer as one object that steps both and saves
the state of both. Muon: https://kellerjordan.github.io/posts/muon/. It is our own because `torch.optim.Muon` works in
bfloat16, which a CPU without such units emulates: there it took 60 % of the time of a training step, this one a tenth.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of the iteration, from the source above
ITERATIONS = 5


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Move the singular values of matrices near 1 (about 0.7 to 1.2), by a few iterations of Newton and Schulz.

    Args:
        matrices: [matrices, rows, columns], in single precision or better.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Steps matrices by their orthogonalised Nesterov momentum, scaled to the size of an AdamW step.

    The same rule as `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`, in the precision of the weights and with the
    matrices of one shape taken together.

    Args:
        matrices: Parameters of two dimensions.
        lr: Learning rate.
        weight_decay: Decoupled weight decay.
        momentum: Of the running mean of gradients.
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape.setdefault(matrix.shape, []).append(matrix)
            for (rows, columns), matrices in by_shape.items():
                updates = orthogonalise(torch.stack([self._momentum(m, group["momentum"]) for m in matrices]))
                size = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-size)

    def _momentum(self, matrix: nn.Parameter, momentum: float) -> torch.Tensor:
        state = self.state[matrix]
        mean = state.setdefault("momentum", torch.zeros_like(matrix))
        mean.lerp_(matrix.grad, 1 - momentum)
        return torch.lerp(matrix.grad, mean, momentum)  # type: ignore[arg-type]


class MuonWithAdamW(torch.optim.Optimizer):
    """Steps `Muon` on the hidden matrices and `torch.optim.AdamW` on embeddings, norms and biases.

    Args:
        named_parameters: Parameters with their names; those that need no gradient are left out.
        lr: Learning rate of both: Muon's update is scaled to the size of AdamW's.
        weight_decay: Of both.
        betas: AdamW's.

    Raises:
        ValueError: If nothing can be trained.
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
        self._parts: list[torch.optim.Optimizer] = []
        if matrices:
            self._parts.append(Muon(matrices, lr=lr, weight_decay=weight_decay))
        if others:  # none under LoRA
            self._parts.append(torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, betas=betas))
        super().__init__([*matrices, *others], {"lr": lr})
        # A scheduler writes the learning rate into these groups: they are the parts' own.
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step of both."""
        for part in self._parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of both."""
        for part in self._parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both, in order."""
        return {"parts": [part.state_dict() for part in self._parts], "param_groups": [], "state": {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]
