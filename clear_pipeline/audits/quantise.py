"""Quantisation: round the weights as deployment does, and see what comes back (arXiv 2410.16454).

The weights of linear layers are rounded and put back as floats, on any device: NF4 with blocks of 64 (arXiv
2305.14314), alone and with its scales rounded too, and int8 with one scale a row. The output layer stays as it is.
"""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import nn

from clear_unlearning.models import LoadedModel

from .context import Context
from .measured import Measured

BLOCK, SCALES_BLOCK = 64, 256
OUTERMOST = (1 - 1 / 32 + 1 - 1 / 30) / 2  # probability up to which NF4 covers the normal distribution


@cache
def nf4_levels() -> torch.Tensor:
    """Return the 16 levels of NF4 from -1 to 1: quantiles of the normal distribution, with 0 among them."""
    below = -norm.ppf(np.linspace(OUTERMOST, 0.5, 8)[:-1])
    above = norm.ppf(np.linspace(OUTERMOST, 0.5, 9)[:-1])
    levels = np.sort(np.concatenate([below, [0.0], above]))
    return torch.tensor(levels / levels.max(), dtype=torch.float32)


def nf4(weight: torch.Tensor, double: bool = False) -> torch.Tensor:
    """Return a weight rounded to NF4: each block of 64 by its largest absolute value.

    Args:
        weight: Of any shape.
        double: Round these scales too: to 8 bits in blocks of 256, freed from their mean.
    """
    flat = weight.detach().float().flatten()
    blocks = nn.functional.pad(flat, (0, -len(flat) % BLOCK)).reshape(-1, BLOCK)
    scales = blocks.abs().amax(1, keepdim=True)
    levels = nf4_levels().to(weight.device)
    bounds = (levels[1:] + levels[:-1]) / 2
    chosen = levels[torch.bucketize(blocks / scales.clamp(min=1e-12), bounds)]
    rounded = chosen * (_eight_bits(scales) if double else scales)
    return rounded.flatten()[: len(flat)].reshape(weight.shape).to(weight.dtype)


def _eight_bits(scales: torch.Tensor) -> torch.Tensor:
    mean = scales.mean()
    away = (scales - mean).flatten()
    blocks = nn.functional.pad(away, (0, -len(away) % SCALES_BLOCK)).reshape(-1, SCALES_BLOCK)
    unit = blocks.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
    return ((blocks / unit).round() * unit).flatten()[: len(away)].reshape(scales.shape) + mean


def int8(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight [out, in] rounded to int8: each row by its largest absolute value."""
    rows = weight.detach().float()
    unit = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
    return ((rows / unit).round() * unit).to(weight.dtype)


ROUNDINGS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "int8": int8,
    "nf4": nf4,
    "nf4, double": lambda weight: nf4(weight, double=True),
}


@torch.no_grad()
def quantised(model: Any, rounding: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return a copy of a model whose linear layers are rounded, all but the output layer."""
    model = copy.deepcopy(model)
    output = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not output:
            module.weight.copy_(rounding(module.weight))
    return model


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Ask a model as it is, and rounded in every way."""
    scores = {"as it is": context.told(context.asker(loaded))}
    for name, rounding in ROUNDINGS.items():
        rounded = LoadedModel(quantised(loaded.model, rounding), loaded.processor, loaded.source, loaded.commit)
        scores[name] = context.told(context.asker(rounded))
    return Measured(scores, list(scores))
