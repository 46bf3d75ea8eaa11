"""GRU: take out of the forget gradient what would raise the retain loss (arXiv 2503.09117)."""

from typing import Any

import torch

from .wrapper import TwoGradients, Wrapper, added, dot


class GRU(Wrapper):
    """Step by `g_f - min(0, <g_f, m> / <m, m>) m + g_r`, with the running mean `m <- b g_r + (1 - b) m`.

    All weights count as one vector. The weight of the retain term does not change m's direction: a small one leaves
    little but the projection, which is the paper's GRU without a retain loss.
    """

    def __init__(self, args: Any) -> None:
        super().__init__(args)
        self.mean: list[torch.Tensor] | None = None

    def combine(self, two: TwoGradients) -> list[torch.Tensor]:
        """Return the projected forget gradient plus the retain gradient."""
        share = self.args.gru_share
        before = self.mean or [torch.zeros_like(gradient) for gradient in two.retain]
        if any(gradient.any() for gradient in two.retain):  # a step of a method that goes by turns may have none
            before = [share * new + (1 - share) * old for new, old in zip(two.retain, before, strict=True)]
        self.mean = before
        along, length = dot(two.forget, self.mean), dot(self.mean, self.mean)
        forget = two.forget
        if along < 0:
            forget = added(forget, self.mean, -float(along / length))
        return added(forget, two.retain)

    def state_dict(self) -> dict[str, Any]:
        """Return the running mean."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the running mean."""
        self.mean = state["mean"]
