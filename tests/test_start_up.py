"""Small commands and every help answer without torch: a subprocess runs the command and lists what it imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clear_pipeline.cli import COMMANDS
from tests.tofu_rows import log_of_rows

PROGRAM = """
import sys
from clear_pipeline.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as error:
    code = error.code
heavy = sorted({"torch", "transformers", "trl", "peft", "accelerate", "evaluate", "gradio"} & set(sys.modules))
print("code", code, "imported", heavy, file=sys.stderr)
"""
NAMED = ["--model_name_or_path", "ORG/model", "--dataset", "nowhere"]


def run(*argv: str, cwd: Path) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, cwd=cwd, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_no_torch(command: str, tmp_path: Path):
    out, err = run(command, "--help", cwd=tmp_path)
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
def test_a_mistake_is_told_without_torch(argv: list[str], code: int, tmp_path: Path):
    _, err = run(*argv, cwd=tmp_path)
    assert err.endswith(f"code {code} imported []\n"), err


@pytest.mark.parametrize("argv", [["full.json"], ["full.json", "--gold", "gold.json", "--json"]], ids=["log", "gold"])
def test_numbers_are_printed_without_torch(argv: list[str], tmp_path: Path):
    for name, shift in (("full", 0.0), ("gold", 0.5)):
        (tmp_path / f"{name}.json").write_text(json.dumps(log_of_rows(shift)))
    out, err = run("score", *argv, cwd=tmp_path)
    assert "utility" in out and err.endswith("code 0 imported []\n"), err
