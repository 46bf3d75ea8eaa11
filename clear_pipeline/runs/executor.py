"""Run steps that depend on one another: in worker processes on this machine, or on a Ray cluster.

Each worker imports torch once and works through steps. What a step finished stays finished (see `run_folder.py`):
after an interruption the same steps are skipped.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .progress import MINUTE
from .step import Backend, Step, begin_worker

EXECUTORS = ("local", "ray")
_queue: Any = None  # in a worker: where progress goes


def check_executor(executor: str) -> None:
    """Check the name of an executor.

    Raises:
        ValueError: If there is no such executor, or Ray is not installed.
    """
    if executor not in EXECUTORS:
        raise ValueError(f"unknown executor {executor!r}; choose from {', '.join(EXECUTORS)}")
    if executor == "ray" and find_spec("ray") is None:
        raise ValueError("executor ray requires Ray: pip install 'clear-unlearning[ray]'")


def run_steps(steps: Sequence[Step], console: Console, workers: int | None = None, executor: str = "local") -> None:
    """Run all steps, each after those that it needs.

    Args:
        steps: Steps in any order.
        console: Where the bars are drawn.
        workers: Processes at a time of `local`; one for each processor by default, at most 4.
        executor: One of EXECUTORS.

    Raises:
        Exception: What a step raised, with the step's name as a note; the steps under way are stopped.
        ValueError: If there is no such executor, Ray is not installed, or steps wait for one another.
    """
    check_executor(executor)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    if executor == "ray":
        from .ray_backend import RayBackend

        backend: Backend = RayBackend(threads=1)
    else:
        backend = LocalBackend(workers)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    waiting = {step.name: step for step in steps}
    running: dict[Any, Step] = {}
    bar_of: dict[str, Any] = {}
    done: set[str] = set()
    said = time.monotonic()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            while waiting or running:
                for step in [step for step in waiting.values() if done.issuperset(step.needs)]:
                    running[backend.submit(waiting.pop(step.name))] = step
                    bar_of[step.name] = bars.add_task(step.name, total=None)
                if not running:
                    raise ValueError(f"steps {sorted(waiting)} wait for one another")
                ended = backend.wait(running.keys())
                for name, count, total in backend.progress():
                    bars.update(bar_of[name], completed=count, total=total)
                if not console.is_terminal and time.monotonic() - said >= MINUTE:  # a log file gets a line a minute
                    said = time.monotonic()
                    under_way = (bars.tasks[bar_of[step.name]] for step in running.values())
                    counts = [
                        f"{bar.description} {bar.completed:.0f}/{bar.total:.0f}" for bar in under_way if bar.total
                    ]
                    console.print(", ".join(counts) or "at work", markup=False, highlight=False, soft_wrap=True)
                for handle in ended:
                    step = running.pop(handle)
                    error = backend.error(handle)
                    if error is not None:
                        error.add_note(f"in step {step.name!r}")
                        raise error
                    done.add(step.name)
                    total = bars.tasks[bar_of[step.name]].total or 1
                    bars.update(bar_of[step.name], total=total, completed=total)
                    if not console.is_terminal:  # and a line a step
                        console.print(f"{len(done)}/{len(steps)} {step.name}", markup=False, highlight=False)
    finally:
        backend.close(running.keys())


class LocalBackend:
    """Worker processes on this machine.

    Args:
        workers: Processes at a time; one for each processor by default, at most 4.
    """

    def __init__(self, workers: int | None) -> None:
        processors = os.cpu_count() or 1
        workers = workers or max(1, min(4, processors))
        threads = max(1, processors // workers)
        context = multiprocessing.get_context("spawn")
        self._messages = context.Queue()
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # read when a worker imports torch
        self._pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(self._messages, threads)
        )

    def submit(self, step: Step) -> Future[None]:
        """Start a step as soon as a process is free."""
        return self._pool.submit(_work, step)

    def wait(self, handles: Collection[Future[None]]) -> Collection[Future[None]]:
        """Wait a moment for steps to end."""
        return wait(handles, timeout=0.2, return_when=FIRST_COMPLETED).done

    def error(self, handle: Future[None]) -> BaseException | None:
        """Return what a step raised."""
        return handle.exception()

    def progress(self) -> Sequence[tuple[str, int, int]]:
        """Return what the workers reported."""
        news = []
        while True:
            try:
                news.append(self._messages.get_nowait())
            except queue.Empty:
                return news

    def close(self, handles: Collection[Future[None]]) -> None:
        """Stop the workers; those with a step under way are terminated, and clean up."""
        if handles or sys.exc_info()[0] is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
        self._pool.shutdown()


def _work(step: Step) -> None:
    def progress(done: int, total: int) -> None:
        _queue.put((step.name, done, total))

    step.function(**step.arguments, progress=progress)


def _start_worker(progress_queue: Any, threads: int) -> None:
    global _queue
    _queue = progress_queue
    # Ctrl-C reaches every process of the terminal: the first one takes it and stops the workers, which then clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin_worker(threads)


def _stop(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # leaving has begun: nothing may break into it
    sys.exit(128 + number)


def _end_with_parent() -> None:
    """End the worker when the first process is killed: started again, that one writes into the same folders."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one
    parent.join()
    os._exit(1)
