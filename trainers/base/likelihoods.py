"""Quantities of the sides of a batch: of the model in training in one pass, and of the original, computed once.

One forward pass costs less than several on short rows. It is also the only way that PyTorch's data parallel training
can follow when the sides use different weights, photos on one side and only text on the other.

The original's quantities are computed before the first step and kept beside the checkpoints, where a resumed run reads
them. Only full fine-tuning needs them: under LoRA the original is the model without its adapter. Neither way has a
second model in memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from clear_unlearning.batches import IGNORE, Batch, answer_counts
from clear_unlearning.likelihood import AnswerLikelihood, answer_likelihood
from clear_unlearning.tasks import Example

from .rows import Drawn
from .terms import Sides

MOST_PADDING = 1.05  # tokens of one pass over those of several: saving a pass is worth about 5 %


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


def likelihoods_of(
    model: nn.Module, sides: Sides, always: bool = False, apart: bool = False
) -> dict[str, AnswerLikelihood]:
    """Return the log-probabilities of the answers of all sides, in one pass unless padding would cost more.

    Args:
        model: Model in training, as in `answer_likelihood`.
        sides: One batch a side.
        always: Use one pass whatever the padding costs.
        apart: Use a pass for each side, so that no gradient of one goes through the other.
    """
    shapes = [batch["labels"].shape for batch in sides.values()]
    several = sum(rows * length for rows, length in shapes)
    together = sum(rows for rows, _ in shapes) * max(length for _, length in shapes)
    if len(sides) == 1 or apart or (together > MOST_PADDING * several and not always):
        return {side: answer_likelihood(model, batch) for side, batch in sides.items()}
    return take_apart(answer_likelihood(model, join(sides)), sides)


class ReferenceCache:
    """Keep tensors of examples on disk, by side and key.

    Args:
        folder: Folder of the files, each with many tensors; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file_of: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            self._open(path)

    def _open(self, path: Path) -> None:
        file = safe_open(path, "pt")
        self._file_of |= dict.fromkeys(file.keys(), file)

    def fill(
        self,
        examples: Iterable[tuple[str, int, Example]],
        compute: Callable[[str, Drawn], Sequence[torch.Tensor]],
        size: int,
    ) -> None:
        """Compute what is missing.

        Args:
            examples: Side, key and example; repetitions are skipped.
            compute: Returns the tensors of some examples of a side [answer tokens, ...].
            size: Examples at a time.
        """
        waiting: dict[str, dict[int, Example]] = {}
        for side, key, example in examples:
            if f"{side}/{key}" not in self._file_of:
                drawn = waiting.setdefault(side, {})
                drawn[key] = example
                if len(drawn) == size:
                    self._write(side, list(drawn), compute(side, list(waiting.pop(side).items())))
        for side, drawn in waiting.items():
            self._write(side, list(drawn), compute(side, list(drawn.items())))

    def _write(self, side: str, keys: Sequence[int], tensors: Sequence[torch.Tensor]) -> None:
        """Write some tensors as one file: all of it or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{side}-{keys[0]}.safetensors"
        part = path.with_suffix(".part")
        save_file({f"{side}/{key}": value.cpu().clone() for key, value in zip(keys, tensors, strict=True)}, part)
        part.rename(path)
        self._open(path)

    def get(self, side: str, keys: Sequence[int], counts: Sequence[int]) -> torch.Tensor:
        """Return tensors of examples, one after the other [answer tokens, ...].

        Args:
            side: Side of the examples.
            keys: Their keys.
            counts: Answer tokens of each: all, or 0 for a row that only fills a batch.
        """
        tensors = [self._file_of[f"{side}/{key}"].get_tensor(f"{side}/{key}") for key in keys]
        return torch.cat([tensor[:count] for tensor, count in zip(tensors, counts, strict=True)])
