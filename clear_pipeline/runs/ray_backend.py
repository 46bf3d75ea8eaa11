"""Steps on a Ray cluster (`pip install clear-unlearning[ray]`): as many at a time as its machines have room for.

All machines must see the output folder under the same path. A step whose machine is lost runs again elsewhere; what it
had finished stays finished (see `run_folder.py`).
"""

import os
import sys
from collections.abc import Collection, Sequence
from typing import Any

import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .step import Step, begin_worker

WAIT_SECONDS = 1.0  # between two looks at the steps


@ray.remote(num_cpus=0)
class _Board:
    """Collect the progress of the steps."""

    def __init__(self) -> None:
        self.news: dict[str, tuple[int, int]] = {}

    def put(self, name: str, done: int, total: int) -> None:
        self.news[name] = (done, total)

    def take(self) -> list[tuple[str, int, int]]:
        news, self.news = self.news, {}
        return [(name, *count) for name, count in news.items()]


def _work(step: Step, board: Any, threads: int) -> None:
    begin_worker(threads)

    def progress(done: int, total: int) -> None:
        board.put.remote(step.name, done, total)

    step.function(**step.arguments, progress=progress)


class RayBackend:
    """The cluster that `RAY_ADDRESS` names, else one on this machine.

    Args:
        threads: Processors that a step takes; it also takes a GPU if the cluster has any.
    """

    def __init__(self, threads: int) -> None:
        self._started = not ray.is_initialized()
        if self._started:
            variables = {name: os.environ[name] for name in ("HF_HOME", "HF_HUB_OFFLINE") if name in os.environ}
            variables |= {
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "OMP_NUM_THREADS": str(threads),
            }
            # "local": never another user's cluster that happens to run on this machine.
            address = os.environ.get("RAY_ADDRESS", "local")
            ray.init(address, runtime_env={"env_vars": variables}, log_to_driver=False, configure_logging=False)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._threads = threads
        self._board: Any = _Board.options(scheduling_strategy=here).remote()
        # Retried without end when the machine is lost, never when the step itself raises.
        gpus = min(1, ray.cluster_resources().get("GPU", 0))  # a step that asks for none sees none
        self._remote: Any = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=-1, retry_exceptions=False)(_work)

    def submit(self, step: Step) -> Any:
        """Start a step as soon as a machine has room."""
        return self._remote.remote(step, self._board, self._threads)

    def wait(self, handles: Collection[Any]) -> Collection[Any]:
        """Wait a moment for a step to end."""
        return ray.wait(list(handles), timeout=WAIT_SECONDS)[0]

    def error(self, handle: Any) -> BaseException | None:
        """Return what the step itself raised, without Ray's wrapper."""
        try:
            ray.get(handle)
        except RayTaskError as error:
            return error.cause
        return None

    def progress(self) -> Sequence[tuple[str, int, int]]:
        """Return what the steps reported."""
        return ray.get(self._board.take.remote())

    def close(self, handles: Collection[Any]) -> None:
        """Cancel the steps under way, and leave the cluster."""
        for handle in handles:
            ray.cancel(handle, force=True)
        ray.kill(self._board)
        if self._started:
            ray.shutdown()
