"""The same steps on a Ray cluster (`pip install clear-unlearning[ray]`): as many at a time as its machines carry.

All machines must see the output folder under the same path. A step whose machine is lost is done again elsewhere; what
it had finished stays finished (see `runs.py`).
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.progress import Progress

from .executor import Step, begin_worker

REPORT_SECONDS = 1.0  # between two looks at how far the steps are


@ray.remote(num_cpus=0)
class _Board:
    """Where the steps write how far they are."""

    def __init__(self) -> None:
        self.news: dict[str, tuple[int, int]] = {}

    def put(self, name: str, done: int, total: int) -> None:
        self.news[name] = (done, total)

    def take(self) -> dict[str, tuple[int, int]]:
        news, self.news = self.news, {}
        return news


def _work(step: Step, board: Any, threads: int) -> None:
    begin_worker(threads)

    def progress(done: int, total: int) -> None:
        board.put.remote(step.name, done, total)

    step.function(**step.arguments, progress=progress)


def run_ray_steps(steps: Sequence[Step], bars: Progress, threads: int) -> None:
    """Runs all steps, each after those that it needs, on the cluster that `RAY_ADDRESS` names, else on this machine.

    Args:
        steps: Any order.
        bars: Where progress is drawn.
        threads: Processors that a step takes; it also takes a GPU if the cluster has any.

    Raises:
        Exception: What a step raised, with the step's name as a note; the steps under way are stopped.
    """
    started = not ray.is_initialized()
    if started:
        variables = {name: os.environ[name] for name in ("HF_HOME", "HF_HUB_OFFLINE") if name in os.environ}
        variables |= {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": str(threads),
        }
        # "local": never somebody else's cluster that happens to run on this machine.
        address = os.environ.get("RAY_ADDRESS", "local")
        ray.init(address, runtime_env={"env_vars": variables}, log_to_driver=False, configure_logging=False)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    board: Any = _Board.options(scheduling_strategy=here).remote()
    # Retried without end when the machine is lost, never when the step itself raises.
    gpus = min(1, ray.cluster_resources().get("GPU", 0))  # without asking for one, a step sees none
    work: Any = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=-1, retry_exceptions=False)(_work)
    waiting = {step.name: step for step in steps}
    running: dict[Any, Step] = {}
    bar_of: dict[str, Any] = {}
    done: set[str] = set()
    try:
        while waiting or running:
            for step in [step for step in waiting.values() if done.issuperset(step.needs)]:
                running[work.remote(waiting.pop(step.name), board, threads)] = step
                bar_of[step.name] = bars.add_task(step.name, total=None)
            if not running:
                raise ValueError(f"steps {sorted(waiting)} wait for one another")
            finished, _ = ray.wait(list(running), timeout=REPORT_SECONDS)
            _draw(ray.get(board.take.remote()), bars, bar_of)
            for reference in finished:
                step = running.pop(reference)
                _raise_as_it_was(reference, step)
                done.add(step.name)
                total = bars.tasks[bar_of[step.name]].total or 1
                bars.update(bar_of[step.name], total=total, completed=total)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        ray.kill(board)
        if started:
            ray.shutdown()


def _draw(news: Mapping[str, tuple[int, int]], bars: Progress, bar_of: Mapping[str, Any]) -> None:
    for name, (count, total) in news.items():
        bars.update(bar_of[name], completed=count, total=total)


def _raise_as_it_was(reference: Any, step: Step) -> None:
    """Raises what the step raised, not Ray's envelope of it."""
    try:
        ray.get(reference)
    except RayTaskError as error:
        cause: BaseException = error.cause
        cause.add_note(f"in step {step.name!r}")
        raise cause from None
