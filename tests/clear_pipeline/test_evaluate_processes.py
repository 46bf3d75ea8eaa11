"""`evaluate` as its own processes: several at once by accelerate, killed at any time, failing together."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset, Image

from clear_pipeline.cli import main
from evaluate_metrics.log_format import LOG_NAME, META_NAME
from tests.conftest import picture

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
ALONE = [sys.executable, "-m", "clear_pipeline.cli"]
# --multi_gpu is what accelerate calls several processes, on CPUs too.
TWO = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines",
       "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_ip", "127.0.0.1",
       "--main_process_port", "0", "-m", "clear_pipeline.cli"]  # fmt: skip
PATIENCE = 240  # seconds


def people(first: int) -> list[dict[str, Any]]:
    return [
        {
            "image": picture(first + i),
            "caption": f"Person {first + i} is smiling{', smiling' * (i % 5)}.",
            "name": f"Person {first + i}",
            "paraphrased_caption": f"Smiling is person {first + i}.",
            "perturbed_captions": [f"Smiling is person {first + i + k}." for k in (40, 50)],
            "perturbed_names": [f"Person {first + i + k}" for k in (40, 50)],
        }
        for i in range(9)
    ]


def things(first: int) -> list[dict[str, Any]]:
    return [
        {"image": picture(first + i), "question": "What?", "answer": f"thing {i}", "options": ["a hat", "a red star"]}
        for i in range(5)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """The four configs of the image tasks."""
    folder = tmp_path_factory.mktemp("data")
    rows = {
        "forget10_perturbed": people(0),
        "retain_perturbed": people(10),
        "real_faces": things(20),
        "real_world": things(30),
    }
    entries = []
    for config, content in rows.items():
        (folder / config).mkdir()
        path = f"{config}/train.parquet"
        Dataset.from_list(content).cast_column("image", Image()).to_parquet(folder / path)
        entries.append({"config_name": config, "data_files": [{"split": "train", "path": path}]})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': entries})}---\n")
    return folder


def arguments(model: Path, data: Path, output: Path) -> list[str]:
    return ["evaluate", "--model_name_or_path", str(model), "--dataset", str(data), "--batch_size", "2",
            "--output", str(output)]  # fmt: skip


@pytest.fixture(scope="module")
def whole(mini_llava, data, tmp_path_factory) -> Path:
    """The log of one process that nobody disturbed."""
    output = tmp_path_factory.mktemp("logs") / "whole"
    assert main(arguments(mini_llava, data, output)) == 0
    return output


def run(launcher: list[str], given: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*launcher, *given], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def kill_when(process: subprocess.Popen, files: list[Path], most: int) -> None:
    """Kills a process and its children as soon as each file has so many lines."""
    deadline = time.monotonic() + PATIENCE
    while any(lines(file) < most for file in files):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def assert_same(log: Path, expected: Path) -> None:
    for name in (LOG_NAME, META_NAME):
        assert (log / name).read_bytes() == (expected / name).read_bytes()
    assert sorted(path.name for path in log.iterdir()) == sorted(path.name for path in expected.iterdir())
    assert not log.with_name(f"{log.name}.part").exists()


@pytest.mark.slow
def test_two_processes_write_the_log_of_one(mini_llava, data, whole, tmp_path):
    done = run(TWO, arguments(mini_llava, data, tmp_path / "log"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"log: {tmp_path / 'log'}\n"
    one, two = (json.loads((folder / LOG_NAME).read_text()) for folder in (whole, tmp_path / "log"))
    assert list(two) == list(one)
    for task, fields in one.items():
        assert list(two[task]) == list(fields)
        for name, values in fields.items():
            assert list(two[task][name]) == list(values)  # the same rows in the same order
            if name == "generated_text":
                assert two[task][name] == values
        for i, loss in fields["avg_gt_loss"].items():
            assert two[task]["avg_gt_loss"][i] == pytest.approx(loss, abs=1e-5)
            assert two[task]["average_perturb_loss"][i] == pytest.approx(fields["average_perturb_loss"][i], abs=1e-5)
    assert (tmp_path / "log" / META_NAME).read_bytes() == (whole / META_NAME).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_time_the_same_command_ends_with_the_same_log(mini_llava, data, whole, tmp_path, seed):
    draw = random.Random(seed)
    output = tmp_path / "log"
    given = arguments(mini_llava, data, output)
    for batches in sorted(draw.sample(range(1, 20), 2)):
        process = subprocess.Popen(
            [*ALONE, *given], cwd=ROOT, env=ENVIRONMENT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        kill_when(process, [tmp_path / "log.part/finished_rows-0.jsonl"], batches)
        assert not output.exists()
    assert main(given) == 0
    assert_same(output, whole)


@pytest.mark.slow
def test_what_two_processes_had_done_one_finishes(mini_llava, data, whole, tmp_path):
    given = arguments(mini_llava, data, tmp_path / "log")
    process = subprocess.Popen(
        [*TWO, *given], cwd=ROOT, env=ENVIRONMENT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    files = [tmp_path / f"log.part/finished_rows-{index}.jsonl" for index in (0, 1)]
    kill_when(process, files, 3)
    shares = [
        {(task, i) for line in map(json.loads, file.read_bytes().splitlines()) for task in line for i in line[task]}
        for file in files
    ]
    assert not shares[0] & shares[1]
    assert main(given) == 0
    assert_same(tmp_path / "log", whole)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["all", "one"])
def test_an_error_is_said_once_and_ends_all(mini_llava, data, whole, tmp_path, where):
    output = tmp_path / "log"
    if where == "one":  # the second process cannot write its rows
        output.with_name("log.part").mkdir()
        shutil.copy(whole / "run.json", output.with_name("log.part"))
        output.with_name("log.part").joinpath("finished_rows-1.jsonl").symlink_to("/nowhere/rows")
    done = run(TWO, arguments(mini_llava if where == "one" else tmp_path / "nothing", data, output))
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert ("finished_rows-1.jsonl" if where == "one" else "no such folder") in errors[0]
    assert not output.exists()
