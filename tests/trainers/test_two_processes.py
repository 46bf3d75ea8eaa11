"""Two processes take the steps of one with the same global batch; gloo on 127.0.0.1."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainers.two_processes import losses_of
from trainers import METHODS
from trainers.base.wrappers import WRAPPERS

ROOT = Path(__file__).parents[2]


def launch(model: Path, folder: Path, methods: tuple[str, ...]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # --multi_gpu starts the processes, use_cpu makes them talk by gloo: accelerate's --cpu would start one alone
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
               "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_ip",
               "127.0.0.1", "--main_process_port", str(port),
               str(Path(__file__).with_name("two_processes.py"))]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*command, str(model), str(folder), *methods], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def check(model: Path, folder: Path, methods: tuple[str, ...]) -> None:
    launch(model, folder / "two", methods)
    for method in methods:
        expected = losses_of(method, folder / "one" / method, model, batch=4)
        found = json.loads((folder / "two" / f"{method}.json").read_text())
        assert len(found) == len(expected) > 3
        for here, there in zip(found, expected, strict=True):
            assert here == pytest.approx(there, abs=1e-5), method
        one, two = (torch.load(folder / place / method / "weights.pt") for place in ("one", "two"))
        for name, weight in one.items():
            assert torch.allclose(weight, two[name], atol=1e-5), (method, name)


@pytest.mark.slow
def test_two_processes_follow_one_by_every_method(tmp_path, mini_llava):
    check(mini_llava, tmp_path, tuple(METHODS))


@pytest.mark.slow
def test_two_processes_follow_one_by_every_wrapper(tmp_path, mini_llava):
    check(mini_llava, tmp_path, tuple(f"gradient_difference+{name}" for name in WRAPPERS))
