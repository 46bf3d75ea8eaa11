"""SAM: unlearn where the forget loss is flat, so that it is not relearned in a few steps (arXiv 2502.05374)."""

import torch

from .wrapper import TwoGradients, Wrapper, added, dot


class SAM(Wrapper):
    """Step by `g_f(theta + r g_f / ||g_f||) + g_r(theta)`; the second `g_f` is another pass over the rows."""

    needs = ("forget",)
    looks_again = True

    @torch.no_grad()
    def combine(self, two: TwoGradients) -> list[torch.Tensor]:
        """Return the forget gradient at the worst place nearby, plus the retain gradient here."""
        length = float(dot(two.forget, two.forget).sqrt())
        if not length:
            return two.retain
        before = [weight.detach().clone() for weight in two.weights]
        for weight, gradient in zip(two.weights, two.forget, strict=True):
            weight.add_(gradient, alpha=self.args.sam_radius / length)
        forget = two.again()
        for weight, value in zip(two.weights, before, strict=True):
            weight.copy_(value)
        return added(forget, two.retain)
