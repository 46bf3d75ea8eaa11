"""What the original model says of the training rows, computed before the first step and kept beside the checkpoints.

Only full fine-tuning needs it: under LoRA the original is the model without its adapter. Neither way has a second
model in memory, and a run that goes on reads what the first one wrote.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from clear_unlearning.tasks import Example

from .rows import Drawn


class ReferenceCache:
    """Tensors of examples, by side and key; read from disk when they are asked for.

    Args:
        folder: Holds files of many tensors each; made when the first is written.
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
        """Compute what is not there yet.

        Args:
            examples: Side, key and example; repetitions are passed over.
            compute: Returns the tensors of some examples of a side [answer tokens, ...].
            size: So many examples at a time.
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
        """Tensors of examples, one after the other [answer tokens, ...].

        Args:
            side: Side of the examples.
            keys: Their keys.
            counts: Answer tokens wanted of each: all, or none of a row that only fills a batch.
        """
        tensors = [self._file_of[f"{side}/{key}"].get_tensor(f"{side}/{key}") for key in keys]
        return torch.cat([tensor[:count] for tensor, count in zip(tensors, counts, strict=True)])
