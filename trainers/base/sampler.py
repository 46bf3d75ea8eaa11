"""The order of the rows in an epoch: the same for one process and for several, from the start and after a stop."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments

from .rows import SideCollator


def fillers(rows: int, batch: int, processes: int) -> int:
    """Return how many rows that do not count complete the last batches of all processes; one process needs none."""
    return -rows % (batch * processes) if processes > 1 else 0


def epochs_begun(args: TrainingArguments, rows: int) -> int:
    """Pass over the training set that begin, as the Trainer counts them."""
    if args.max_steps <= 0:
        return math.ceil(args.num_train_epochs)
    step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    return math.ceil(args.max_steps / math.ceil(rows / step))


class EpochSampler(torch.utils.data.Sampler[int]):
    """Draw the order of an epoch only from seed and epoch; rows that do not count come last.

    Accelerate deals whole batches, one to each process, and repeats rows where the last ones are missing. With rows
    that do not count in their place a step has the same rows whatever the number of processes; those of the last
    batches are dealt evenly.

    Args:
        filler: Which rows of the training set do not count.
        collator: Knows the epoch.
        seed: Draws the orders, the same as accelerate's own sampler does.
        batch: Rows in a batch of one process.
        processes: Number of processes.
    """

    def __init__(self, filler: Sequence[bool], collator: SideCollator, seed: int, batch: int, processes: int) -> None:
        self.filler, self.collator, self.seed = list(filler), collator, seed
        self.batch, self.processes = batch, processes

    def __len__(self) -> int:
        return len(self.filler)

    def __iter__(self) -> Iterator[int]:
        real = self.filler.index(True) if True in self.filler else len(self.filler)
        generator = torch.Generator().manual_seed(self.seed + self.collator.epoch)
        order = torch.randperm(real, generator=generator).tolist()
        rest = range(real, len(self.filler))
        if not rest:
            yield from order
            return
        whole = real - real % (self.batch * self.processes)
        last = [*order[whole:], *rest]  # one batch for each process: dealt like cards
        yield from order[:whole]
        for process in range(self.processes):
            yield from last[process :: self.processes]


class TellEpoch(TrainerCallback):
    """Tells the collator which epoch it is, so that it draws other retain rows in each."""

    def __init__(self, collator: SideCollator) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell."""
        self.collator.epoch = int(state.epoch or 0)
