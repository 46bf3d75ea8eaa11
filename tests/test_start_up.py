"""Small commands and every help answer without torch: each runs in a process that lists what was imported."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clear_pipeline.cli import COMMANDS
from tests.tofu_rows import log_of_rows

# Importing `datasets` is most of what a command does: a program has done it, and forks for each command.
PROGRAM = """
import json, os, sys
import datasets
from clear_pipeline.cli import main

def answer(argv):
    try:
        code = main(argv)
    except SystemExit as error:
        code = error.code
    heavy = sorted({"torch", "transformers", "trl", "peft", "accelerate", "evaluate", "gradio"} & set(sys.modules))
    print("code", code, "imported", heavy, file=sys.stderr)

for line in sys.stdin:
    argv, folder = json.loads(line)
    process = os.fork()
    if process == 0:
        os.chdir(folder)
        for number, name in enumerate(("stdout", "stderr"), start=1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
        sys.argv[1:] = argv
        answer(argv)
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
NAMED = ["--model_name_or_path", "ORG/model", "--dataset", "nowhere"]


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


def run(server: subprocess.Popen[str], *argv: str, cwd: Path) -> tuple[str, str]:
    print(json.dumps([argv, str(cwd)]), file=server.stdin, flush=True)
    assert server.stdout and server.stdout.readline() == "0\n"
    return (cwd / "stdout").read_text(), (cwd / "stderr").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_no_torch(server, command: str, tmp_path: Path):
    out, err = run(server, command, "--help", cwd=tmp_path)
    assert f"usage: clear-unlearning {command}" in out
    assert err.endswith("imported []\n"), err


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--help"], 0),
        (["scroe"], 2),
        (["unlearn", "--method", "nop"], 2),
        (["unlearn", "--method", "npo", "--output_dir", "x", *NAMED], 2),
        (["finetune", "--output_dir", "x", *NAMED], 2),
        (["evaluate", "--output", "x", *NAMED], 2),
        (["score", "nowhere"], 2),
        (["import-log", "nowhere.json", "--output", "x"], 2),
        (["submit", "--leaderboard", "http://127.0.0.1:9", "--repo-id", "ORG/model"], 2),
    ],
)
def test_a_mistake_is_told_without_torch(server, argv: list[str], code: int, tmp_path: Path):
    _, err = run(server, *argv, cwd=tmp_path)
    assert err.endswith(f"code {code} imported []\n"), err


@pytest.mark.parametrize("argv", [["full.json"], ["full.json", "--gold", "gold.json", "--json"]], ids=["log", "gold"])
def test_numbers_are_printed_without_torch(server, argv: list[str], tmp_path: Path):
    for name, shift in (("full", 0.0), ("gold", 0.5)):
        (tmp_path / f"{name}.json").write_text(json.dumps(log_of_rows(shift)))
    out, err = run(server, "score", *argv, cwd=tmp_path)
    assert "utility" in out and err.endswith("code 0 imported []\n"), err
