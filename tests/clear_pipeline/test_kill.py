"""A run is killed on the way; the same command goes on and ends with the same weights and numbers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clear_pipeline.cli import main
from tests.clear_pipeline.test_demo import COMMAND, ENVIRONMENT
from tests.tofu_rows import TEXTS, needs_texts
from trainers.base.checkpoints import last_checkpoint

ROOT = Path(__file__).parents[2]
LENGTH = {"npo": ("--max_steps", "12"), "scrub": ("--num_train_epochs", "2", "--msteps", "1")}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["npo", "scrub"])
def test_a_killed_run_goes_on_and_ends_the_same(method, mini_data, tmp_path, mini_llava):
    def command(folder: Path) -> list[str]:
        return ["unlearn", "--method", method, "--model_name_or_path", str(mini_llava), "--dataset", str(mini_data),
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


RECIPE = """
corpus: tofu
track: text
model: mini
authors: 2
golds: 3
seeds: [5]
finetune: {max_steps: 30, learning_rate: 4e-3, per_device_train_batch_size: 8, muon: true, save_steps: 5}
unlearn: {max_steps: 4, learning_rate: 1e-3, per_device_train_batch_size: 4}
methods: [npo]
evaluate: {batch_size: 32, max_examples: 10}
"""


@pytest.mark.slow
@needs_texts
def test_an_interrupted_table_goes_on_and_ends_as_another(tmp_path):
    """On a slice of TOFU's real texts: one run is killed on the way, the other is not."""
    (tmp_path / "small.yaml").write_text(f"{RECIPE}tofu_dir: {TEXTS.resolve()}\n")
    whole, broken = tmp_path / "whole", tmp_path / "broken"

    def table(output: Path) -> list[Any]:
        return [COMMAND, "table", "--recipe", tmp_path / "small.yaml", "--output", output]

    def run(output: Path) -> list[dict[str, Any]]:
        done = subprocess.run(table(output), capture_output=True, text=True, env=ENVIRONMENT, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads((output / "seed-5/report.json").read_text())["rows"]

    process = subprocess.Popen(
        table(broken), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not list(broken.glob("seed-5/models/original.part/checkpoint-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(broken.glob("seed-5/models/original.part/checkpoint-*")), "not killed between two checkpoints"
    resumed, expected = run(broken), run(whole)
    assert [row["name"] for row in resumed] == ["original", "gold", "npo"]
    for one, other in zip(resumed, expected, strict=True):
        assert one["model_utility"] == pytest.approx(other["model_utility"], abs=1e-6)
        assert one["forget_quality"] == pytest.approx(other["forget_quality"], rel=1e-6)
        assert one["gold_share"] == pytest.approx(other["gold_share"], rel=1e-6)
    # TOFU's texts have no wrong answers of their own.
    assert "the wrong answers are made" in (broken / "seed-5/report.md").read_text()
