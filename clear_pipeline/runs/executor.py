"""Steps that depend on one another, run in worker processes, as many at a time as the processor carries.

Each worker imports torch once and works through steps. Its progress reaches the terminal through a queue. What a step
finished stays finished (see `runs.py`): after an interruption the same steps are passed over.
"""

import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

EXECUTORS = ("local", "ray")
_queue: Any = None  # in a worker: where progress goes


@dataclass(frozen=True)
class Step:
    """A call of a function in a worker process.

    Attributes:
        name: Shown beside its progress bar.
        function: Importable by name; gets `progress` as a keyword.
        arguments: Its other keywords.
        needs: Names of steps that come before.
    """

    name: str
    function: Callable[..., None]
    arguments: Mapping[str, Any]
    needs: Sequence[str] = field(default=())


def _stop(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # leaving has begun: nothing may break into it
    sys.exit(128 + number)


def _end_with_parent() -> None:
    """Ends the worker when the first process is killed: started again, that will write into the same folders."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one
    parent.join()
    os._exit(1)


def _start_worker(progress_queue: Any, threads: int) -> None:
    global _queue
    _queue = progress_queue
    # Ctrl-C reaches every process of the terminal: the first one takes it and stops the workers, which then clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin_worker(threads)


def begin_worker(threads: int) -> None:
    """Sets up a process that works through steps: quiet, and with so many threads."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    warnings.simplefilter("ignore")  # libraries' remarks on one another would tear the progress bars
    logging.disable(logging.WARNING)
    import datasets
    import torch
    import transformers

    torch.set_num_threads(threads)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()


def _work(step: Step) -> None:
    def progress(done: int, total: int) -> None:
        _queue.put((step.name, done, total))

    step.function(**step.arguments, progress=progress)


def run_steps(steps: Sequence[Step], console: Console, workers: int | None = None, executor: str = "local") -> None:
    """Runs all steps, each after those that it needs.

    Args:
        steps: Any order.
        console: Where the bars are drawn.
        workers: local: processes at a time; by default one a processor, at most 4.
        executor: One of EXECUTORS: processes on this machine, or the tasks of a Ray cluster (see `ray_steps.py`).

    Raises:
        Exception: What a step raised, with the step's name as a note; the steps under way are stopped.
        ValueError: If there is no such executor, or Ray is not installed.
    """
    check_executor(executor)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        if executor == "ray":
            from .ray_executor import run_ray_steps

            run_ray_steps(steps, bars, threads=1)
        else:
            _run_here(steps, bars, workers)


def check_executor(executor: str) -> None:
    """Checks the name of an executor.

    Raises:
        ValueError: If there is no such executor, or Ray is not installed.
    """
    if executor not in EXECUTORS:
        raise ValueError(f"unknown executor {executor!r}; choose from {', '.join(EXECUTORS)}")
    if executor == "ray" and find_spec("ray") is None:
        raise ValueError("the executor ray needs Ray: pip install 'clear-unlearning[ray]'")


def _run_here(steps: Sequence[Step], bars: Progress, workers: int | None) -> None:
    processors = os.cpu_count() or 1
    workers = workers or max(1, min(4, processors))
    threads = max(1, processors // workers)
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # read when a worker imports torch
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(messages, threads)
    ) as pool:
        waiting = {step.name: step for step in steps}
        running: dict[Future[None], Step] = {}
        bar_of: dict[str, Any] = {}
        done: set[str] = set()
        try:
            while waiting or running:
                for step in [step for step in waiting.values() if done.issuperset(step.needs)]:
                    running[pool.submit(_work, step)] = waiting.pop(step.name)
                    bar_of[step.name] = bars.add_task(step.name, total=None)
                if not running:
                    raise ValueError(f"steps {sorted(waiting)} wait for one another")
                finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                _draw(messages, bars, bar_of)
                for future in finished:
                    step = running.pop(future)
                    error = future.exception()
                    if error is not None:
                        error.add_note(f"in step {step.name!r}")
                        raise error
                    done.add(step.name)
                    total = bars.tasks[bar_of[step.name]].total or 1
                    bars.update(bar_of[step.name], total=total, completed=total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _draw(messages: Any, bars: Progress, bar_of: Mapping[str, Any]) -> None:
    """Brings the bars up to what the workers reported."""
    while True:
        try:
            name, count, total = messages.get_nowait()
        except queue.Empty:
            return
        bars.update(bar_of[name], completed=count, total=total)
