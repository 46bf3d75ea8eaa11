"""NGDiff: the forget and the retain gradient weigh the same, whatever their lengths (arXiv 2410.22086)."""

import torch

from .wrapper import TwoGradients, Wrapper, added, dot


class NGDiff(Wrapper):
    """Step by `g_f / ||g_f|| + g_r / ||g_r||`, each over all weights as one vector.

    The paper also fits the learning rate to the retain loss every ten steps, by two more forward passes. That is left
    out: `--learning_rate` and its schedule hold, as for every method.
    """

    def combine(self, two: TwoGradients) -> list[torch.Tensor]:
        """Return the sum of both, each of length 1; one that is 0 stays so."""
        return added(_of_length_one(two.forget), _of_length_one(two.retain))


def _of_length_one(gradient: list[torch.Tensor]) -> list[torch.Tensor]:
    length = float(dot(gradient, gradient).sqrt())
    return [part / length for part in gradient] if length else gradient
