"""NegGrad: an epoch of ascent on the photos to forget, then one of descent on those to retain (arXiv 2302.09880)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn
from torch.utils.data import DataLoader, Sampler

from .base import Side, Sides, Terms, VisualConfig, VisualTrainer


@dataclass
class NegGradConfig(VisualConfig):
    """CLEAR's values: the first of the two epochs ascends, the second descends; further epochs alternate."""

    learning_rate: float = 0.1
    num_train_epochs: float = 2
    freeze_batch_norm: bool = True


class Phases(Sampler):
    """Batches of one side each: an epoch of the first, one of the second, and so on; places are counted over both."""

    def __init__(self, counts: list[int], size: int, seed: int) -> None:
        self.counts, self.size, self.seed, self.epoch = counts, size, seed, 0

    def __len__(self) -> int:
        return sum(-(-count // self.size) for count in self.counts)

    def __iter__(self) -> Iterator[list[int]]:
        dice, start = np.random.default_rng([self.seed, self.epoch]), 0
        self.epoch += 1
        for count in self.counts:
            order = start + dice.permutation(count)
            yield from (order[at : at + self.size].tolist() for at in range(0, count, self.size))
            start += count


class NegGradTrainer(VisualTrainer):
    """Maximise AM-Softmax on the photos to forget, then minimise it on those to retain.

    For the Trainer both passes are one epoch: it runs half as many as the config says.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        epochs = self.args.num_train_epochs
        if epochs % 2:
            raise ValueError(f"num_train_epochs must be even (ascent, descent), not {epochs}")
        self.args.num_train_epochs = epochs / 2
        self.data_collator = self.phase

    def phase(self, numbers: list[int]) -> dict[str, Side]:
        """Return the batch of the side on which these places are."""
        first = len(self.sides["forget"])
        if numbers[0] < first:
            return {"forget": self.collator.side("forget", np.asarray(numbers))}
        return {"retain": self.collator.side("retain", np.asarray(numbers) - first)}

    def get_train_dataloader(self) -> DataLoader:
        """Return the batches of one side each."""
        counts = [len(self.sides[name]) for name in ("forget", "retain")]
        phases = Phases(counts, self.args.train_batch_size, self.args.seed)
        places: Any = range(sum(counts))
        return self.accelerator.prepare(DataLoader(places, batch_sampler=phases, collate_fn=self.phase))

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return AM-Softmax, with a minus sign if these photos are to be forgotten."""
        (side,) = batch
        loss = self.margin_term(model, batch, side)
        return {side: -loss if side == "forget" else loss}
