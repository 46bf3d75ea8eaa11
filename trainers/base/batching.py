"""From rows to batches: the order of the rows in an epoch, and the collator that draws and encodes each side.

Order and draws depend only on seed, epoch and row: they are the same for any number of processes and after a resume.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments

from clear_unlearning.batches import IGNORE, Batch, Encoder
from clear_unlearning.tasks import Example

from .rows import Draw, Drawn


class SideCollator:
    """Turn row numbers into `{"forget": batch, "retain": batch}`.

    What is drawn for a row depends only on seed, epoch and row: it is the same in a resumed run, and in batches of
    any size.

    Args:
        encoder: Encoder of the model in training.
        draws: The draw of each side.
    """

    def __init__(self, encoder: Encoder, draws: dict[str, Draw]) -> None:
        self.encoder, self.draws = encoder, draws
        self.epoch = 0

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Batch]:
        """Encode the rows of a step, without those that only fill a batch unless there are no others."""
        real = [item for item in items if not item.get("filler")]
        sides: dict[str, Drawn] = {}
        for item in real or items[:1]:
            for side, drawn in self.draw(item, self.epoch).items():
                sides.setdefault(side, []).extend(drawn)
        if real:
            return {side: self.encode(drawn) for side, drawn in sides.items()}
        # A process must take part in every step; without a photo it uses no weight that the others do not.
        blank = {side: [(key, replace(row, image=None)) for key, row in drawn] for side, drawn in sides.items()}
        batch = {side: self.encode(drawn) for side, drawn in blank.items()}
        for side in batch.values():
            side["labels"].fill_(IGNORE)
        return batch

    def draw(self, item: dict[str, Any], epoch: int) -> dict[str, Drawn]:
        """Return the examples of each side that belong to an item of the training set."""
        return {side: draw(item["index"], epoch) for side, draw in self.draws.items()}

    def examples(self, items: Iterable[Any], epochs: int, sides: Iterable[str]) -> Iterator[tuple[str, int, Example]]:
        """Yield what is drawn in the first epochs for some sides: side, key and example, with repetitions."""
        for epoch, item in product(range(epochs), items):
            drawn = self.draw(item, epoch)
            yield from ((side, key, example) for side in sides if side in drawn for key, example in drawn[side])

    def encode(self, drawn: Drawn) -> Batch:
        """Encode examples; `index` keeps their keys."""
        batch = self.encoder.batch([example for _, example in drawn])
        batch["index"] = torch.tensor([key for key, _ in drawn])
        return batch


class PhaseCollator(SideCollator):
    """Turn rows of one pass into the batch of its side."""

    def draw(self, item: dict[str, Any], epoch: int) -> dict[str, Drawn]:
        """Return the row itself, on its side."""
        return {item["side"]: self.draws[item["side"]](item["index"], epoch)}


class TellEpoch(TrainerCallback):
    """Tell a collator which epoch it is, so that it draws other retain rows in each."""

    def __init__(self, collator: Any) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the collator."""
        self.collator.epoch = int(state.epoch or 0)


def fillers(rows: int, batch: int, processes: int) -> int:
    """Return how many rows that do not count complete the last batches of all processes; one process needs none."""
    return -rows % (batch * processes) if processes > 1 else 0


def epochs_begun(args: TrainingArguments, rows: int) -> int:
    """Return how many passes over the training set begin, as the Trainer counts them."""
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


def alternating_rows(
    sizes: dict[str, int], epochs: int, first_epochs: int, step: int, seed: int
) -> tuple[dict[str, list[Any]], list[int]]:
    """Return the rows of passes over one side and the other by turns, as SCRUB makes them, as one list.

    The Trainer counts the steps of that list and resumes in it as in any other. Each pass has its own order.

    Args:
        sizes: Number of rows of each side; the side that an epoch begins with comes first.
        epochs: Number of epochs.
        first_epochs: Number of epochs, from the start, that pass over the first side.
        step: Rows in a step. No step has rows of two passes: the last one of a pass is filled up with rows that do not
            count (`filler`).
        seed: Draws the orders.

    Returns:
        The columns `index`, `side` and `filler`, and the number of steps at the end of each epoch.
    """
    columns: dict[str, list[Any]] = {"index": [], "side": [], "filler": []}
    ends = []
    first, second = sizes
    for epoch in range(epochs):
        for side in (first, second) if epoch < first_epochs else (second,):
            order = random.Random(f"{seed}/{epoch}/{side}").sample(range(sizes[side]), sizes[side])
            rest = -len(order) % step
            columns["index"] += [*order, *([order[0]] * rest)]
            columns["side"] += [side] * (len(order) + rest)
            columns["filler"] += [False] * len(order) + [True] * rest
        ends.append(len(columns["index"]) // step)
    return columns, ends
