"""The sides of a batch in one forward pass: joined, run through the model, and taken apart again.

One pass costs less than several on short rows, and it is the only one that PyTorch's data parallel training can
follow when the sides use different weights, photos on one side and only text on the other.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn

from clear_unlearning.batches import IGNORE, Batch, answer_counts
from clear_unlearning.likelihood import AnswerLikelihood, answer_likelihood

from .totals import Sides

MOST_PADDING = 1.05  # tokens of one pass in those of several: a pass saves about as much


def join(sides: Sides) -> Batch:
    """Join the batches of all sides, one below the other, each padded on the right to the longest row.

    What belongs to images is padded with zeros in every dimension, as processors do with images of several sizes.
    """
    batches = list(sides.values())
    joined = {}
    for name in dict.fromkeys(name for batch in batches for name in batch):
        of_tokens = any(name in batch and batch[name].shape == batch["labels"].shape for batch in batches)
        parts = [batch.get(name, torch.zeros_like(batch["labels"])) for batch in batches if name in batch or of_tokens]
        # A padded token may be any that is not an image's: the last one of a row.
        value = {"labels": IGNORE, "input_ids": int(batches[0]["input_ids"][0, -1])}.get(name, 0)
        joined[name] = torch.cat(list(_padded(parts, value)))
    return joined


def _padded(parts: list[torch.Tensor], value: int) -> Iterator[torch.Tensor]:
    largest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    for part in parts:
        missing = [large - size for large, size in zip(largest, part.shape[1:], strict=True)]
        widths = [width for more in reversed(missing) for width in (0, more)]
        yield nn.functional.pad(part, widths, value=value)


def take_apart(both: AnswerLikelihood, sides: Sides) -> dict[str, AnswerLikelihood]:
    """Take the likelihoods of joined batches apart."""
    rows = [len(batch["labels"]) for batch in sides.values()]
    tokens = [sum(answer_counts(batch)) for batch in sides.values()]
    row_ends, token_ends = ([0, *torch.tensor(sizes).cumsum(0).tolist()] for sizes in (rows, tokens))
    parts = {}
    for side, (first, last), start in zip(sides, pairwise(token_ends), row_ends, strict=False):
        parts[side] = AnswerLikelihood(
            log_probs=both.log_probs[first:last],
            row=both.row[first:last] - start,
            rows=len(sides[side]["labels"]),
            logits=both.logits[first:last],
            targets=both.targets[first:last],
        )
    return parts


def likelihoods_of(model: nn.Module, sides: Sides, always: bool = False) -> dict[str, AnswerLikelihood]:
    """Log-probabilities of the answers of all sides, in one pass unless padding would make that dearer.

    Args:
        model: As of `answer_likelihood`.
        sides: One batch a side.
        always: In one pass, whatever it costs.
    """
    shapes = [batch["labels"].shape for batch in sides.values()]
    apart = sum(rows * length for rows, length in shapes)
    together = sum(rows for rows, _ in shapes) * max(length for _, length in shapes)
    if len(sides) == 1 or (together > MOST_PADDING * apart and not always):
        return {side: answer_likelihood(model, batch) for side, batch in sides.items()}
    return take_apart(answer_likelihood(model, join(sides)), sides)
