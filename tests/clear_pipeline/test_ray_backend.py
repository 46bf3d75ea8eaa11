"""The steps on Ray: a real cluster of two nodes on this machine, one of which is killed on the way."""

import io
import os
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.step import Step


def work(folder: Path, name: str, needs: list[str], waits: bool, progress) -> None:
    missing = [other for other in needs if not (folder / other).exists()]
    if missing:
        raise ValueError(f"{name} came before {missing}")
    with (folder / "starts").open("a") as starts:
        starts.write(f"{name} {os.getpid()}\n")
    progress(1, 2)
    deadline = time.monotonic() + 240
    while waits and not (folder / "killed").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    progress(2, 2)
    (folder / name).write_text("done")


def fail(progress) -> None:
    raise ValueError("no such flower")


def test_an_unknown_executor_is_named():
    with pytest.raises(ValueError, match="unknown executor 'cloud'; choose from local, ray"):
        run_steps([], Console(file=io.StringIO()), executor="cloud")


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    root = Path(__file__).parents[2]
    ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": str(root)}}, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_steps_of_a_killed_node_are_done_again(tmp_path, cluster):
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    console = Console(file=io.StringIO(), width=100)
    steps = [Step(f"step {i}", work, {"folder": tmp_path, "name": f"{i}", "needs": [], "waits": True}) for i in "01"]
    last = {"folder": tmp_path, "name": "last", "needs": ["0", "1"], "waits": False}
    steps.insert(0, Step("last", work, last, ["step 0", "step 1"]))

    def kill() -> None:
        starts = tmp_path / "starts"
        while not starts.exists() or len(starts.read_text().splitlines()) < 2:
            time.sleep(0.2)
        pids = [Path("/proc", line.split()[1]) for line in starts.read_text().splitlines()]
        cluster.remove_node(node, allow_graceful=False)
        while all(pid.exists() for pid in pids):  # a worker outlives its node by a moment
            time.sleep(0.2)
        (tmp_path / "killed").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    run_steps(steps, console, executor="ray")
    killer.join()
    starts = [line.split()[0] for line in (tmp_path / "starts").read_text().splitlines()]
    assert len(starts) == 4, starts  # one of both twice, and the last
    assert starts[-1] == "last"
    assert (tmp_path / "last").exists()
    assert "3/3 last" in console.file.getvalue()


@pytest.mark.slow
def test_an_error_is_the_steps_own(tmp_path, cluster):
    with pytest.raises(ValueError, match="no such flower") as caught:
        run_steps([Step("rose", fail, {})], Console(file=io.StringIO()), executor="ray")
    assert type(caught.value) is ValueError
    assert "in step 'rose'" in caught.value.__notes__
    with pytest.raises(ValueError, match="wait for one another"):
        run_steps(
            [Step("a", fail, {}, ["b"]), Step("b", fail, {}, ["a"])], Console(file=io.StringIO()), executor="ray"
        )
