"""Several processes of one evaluation, started by `accelerate launch`: each does its share, and they end together.

Every process goes through the same calls of `gather`. One that fails tells the others there and is the only one to
speak: one error is one message, however many processes meet it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from accelerate.utils.environment import parse_flag_from_env
from torch.distributed import HashStore
from torch.distributed.distributed_c10d import _get_default_store

PATIENCE = timedelta(days=2)  # nobody is given up while the others work; who dies is seen by the launcher
FAILED, ROWS = "clear-unlearning/failed", "clear-unlearning/rows"


class Processes:
    """This process and its companions; only this one if nothing launched several.

    Attributes:
        index: Which one this is; the first, 0, writes what all have done.
        count: How many there are.
        device: Where this one's model belongs; None for a single process, where the loader chooses.
    """

    def __init__(self) -> None:
        # Without `cpu`, several processes on a machine without accelerator each take themselves for the only one.
        cpu = not torch.accelerator.is_available() or bool(parse_flag_from_env("ACCELERATE_USE_CPU"))
        state = PartialState(cpu=cpu, timeout=PATIENCE)
        self.index, self.count = state.process_index, state.num_processes
        self.device = str(state.device) if self.count > 1 else None
        self._store = _get_default_store() if self.count > 1 else HashStore()

    def gather(self, content: Any = None) -> list[Any]:
        """Wait for all and return what each brings, by its index; end here if another has failed."""
        return self._exchange(content, failed=False)

    def first(self, work: Callable[[], Any]) -> None:
        """Wait for all, let the first process do something, and go on when that is done."""
        self.gather()
        if self.index == 0:
            work()
        self.gather()

    def stop_if_failed(self) -> None:
        """End here if another has failed: called between batches, so that nobody works on for nothing."""
        if self._store.check([FAILED]):
            self.gather()

    def add(self, rows: int) -> int:
        """Add to the number of rows that all have done, and return it."""
        return self._store.add(ROWS, rows)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Wrap all work: an error in one process ends all, and the first that has one raises it."""
        try:
            yield
        except Exception:
            self._store.set(FAILED, str(self.index))
            self._exchange(None, failed=True)
            raise
        self.gather()

    def _exchange(self, content: Any, failed: bool) -> list[Any]:
        replies = gather_object([(failed, content)]) if self.count > 1 else [(failed, content)]
        speaker = next((index for index, (has_failed, _) in enumerate(replies) if has_failed), self.index)
        if speaker != self.index:
            # As a success: the launcher then names the one that speaks, and leaves it the time to do so.
            raise SystemExit(0)
        return [reply for _, reply in replies]


def deal(costs: Sequence[int], loads: list[int]) -> list[int]:
    """Deal work out: the largest piece first, each to whom has least.

    Args:
        costs: Of each piece.
        loads: What each process has already; grows.

    Returns:
        The process of each piece.
    """
    owners = [0] * len(costs)
    for piece in sorted(range(len(costs)), key=lambda piece: -costs[piece]):
        owners[piece] = loads.index(min(loads))
        loads[owners[piece]] += costs[piece]
    return owners
