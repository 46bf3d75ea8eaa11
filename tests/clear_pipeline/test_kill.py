"""A run is killed on the way; the same command goes on and ends with the same weights and numbers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clear_dataset import build
from clear_pipeline.cli import main
from tests.clear_pipeline.test_demo import COMMAND, ENVIRONMENT, rows_of, run_demo
from tests.tofu_rows import TEXTS, needs_texts
from trainers.base.checkpoints import last_checkpoint

ROOT = Path(__file__).parents[2]
LENGTH = {"npo": ("--max_steps", "12"), "scrub": ("--num_train_epochs", "2", "--msteps", "1")}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "clear"
    build("mini", folder, persons=24, seed=5)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("method", ["npo", "scrub"])
def test_a_killed_run_goes_on_and_ends_the_same(method, data, tmp_path, mini_llava):
    def command(folder: Path) -> list[str]:
        return ["unlearn", "--method", method, "--model_name_or_path", str(mini_llava), "--dataset", str(data),
                "--per_device_train_batch_size", "4", "--learning_rate", "1e-3", "--use_cpu", "true", "--save_steps",
                "2", "--save_strategy", "steps", *LENGTH[method], "--output_dir", str(folder)]  # fmt: skip

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    part = tmp_path / "broken.part"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "clear_pipeline.cli", *command(broken)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while last_checkpoint(part) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert last_checkpoint(part) is not None and not broken.exists(), "not killed between two checkpoints"
    for folder in (broken, whole):
        assert main(command(folder)) == 0
    weights = [(folder / "model.safetensors").read_bytes() for folder in (broken, whole)]
    assert weights[0] == weights[1]
    assert not part.exists()
    assert not list(broken.glob("checkpoint-*"))


@pytest.mark.slow
@needs_texts
def test_an_interrupted_demo_goes_on_and_ends_as_another(tmp_path):
    """On a slice of TOFU's real texts: one run is killed on the way, the other is not."""
    dials = (
        "--corpus",
        "tofu",
        "--tofu_dir",
        str(TEXTS),
        "--authors",
        "4",
        "--methods",
        "npo",
        "--forget",
        "forget01",
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = run_demo(whole, *dials)
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [COMMAND, "demo", "--output", broken, *dials],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(broken.glob("models/original.part/checkpoint-*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(broken.glob("models/original.part/checkpoint-*")), "killed before the first checkpoint"
    done = run_demo(broken, *dials)
    assert done.returncode == 0, done.stderr
    for name, row in rows_of(whole).items():
        other = rows_of(broken)[name]
        assert row["model_utility"] == pytest.approx(other["model_utility"], abs=1e-6)
        assert row["forget_quality"] == pytest.approx(other["forget_quality"], rel=1e-6)
    report = (whole / "report.md").read_text()
    assert "made" in report
