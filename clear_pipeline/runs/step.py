"""A step of a run, and what a backend of the executor must offer."""

import logging
import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Step:
    """A call of a function in a worker process.

    Attributes:
        name: Shown next to its progress bar.
        function: Importable by name; receives `progress` as a keyword.
        arguments: Its other keywords.
        needs: Names of the steps that come before.
    """

    name: str
    function: Callable[..., None]
    arguments: Mapping[str, Any]
    needs: Sequence[str] = field(default=())


class Backend(Protocol):
    """Where steps run; a step under way is known by the handle that `submit` returned."""

    def submit(self, step: Step) -> Any:
        """Start a step and return its handle."""
        ...

    def wait(self, handles: Collection[Any]) -> Collection[Any]:
        """Wait a moment and return the handles of the steps that ended meanwhile."""
        ...

    def error(self, handle: Any) -> BaseException | None:
        """Return what an ended step raised."""
        ...

    def progress(self) -> Sequence[tuple[str, int, int]]:
        """Return news of the steps: name, number done, total."""
        ...

    def close(self, handles: Collection[Any]) -> None:
        """Stop the steps under way and release everything."""
        ...


def begin_worker(threads: int) -> None:
    """Set up a process that works through steps: quiet, and with a number of threads."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    warnings.simplefilter("ignore")  # warnings of libraries about one another would tear the progress bars
    logging.disable(logging.WARNING)
    import datasets
    import torch
    import transformers

    torch.set_num_threads(threads)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
