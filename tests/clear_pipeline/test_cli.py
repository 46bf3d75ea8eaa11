"""The command line: the right exit codes, and one clear line for a user's error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trl import TrlParser

from clear_pipeline.cli import COMMANDS, main
from clear_pipeline.model_arguments import ModelArguments, revision_setting
from tests.tofu_rows import PUBLISHED_LOGS, log_of_rows, needs_logs

# What every training and every evaluation must name.
NAMED = ("--model_name_or_path", "ORG/model", "--dataset", "ORG/data")
UNLEARN = ("unlearn", "--method", "npo", "--output_dir", "x", *NAMED)


def run(capsys, *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["forget"], "unknown command 'forget'; choose from demo"),
        (["unlearn"], "name a method: --method with one of retain_finetune"),
        (["unlearn", "--method", "hope"], "unknown method 'hope'; choose from retain_finetune"),
        (
            ["unlearn", "--method", "npo", "--forget", "forget50"],
            "unknown forget set 'forget50'; choose from forget01",
        ),
        (["unlearn", "--method", "npo", "--output_dir", "x"], "name a model: --model_name_or_path"),
        ([*UNLEARN, "--learning_rate", "0"], "learning_rate must be above 0"),
        (
            ["unlearn", "--method", "npo", "--modality", "sound"],
            "modality must be one of text, image, both, not 'sound'",
        ),
        ([*UNLEARN, "--method", "kl", "--held_out", "y"], "held_out is for scrub"),
        (
            ["unlearn", "--method", "npo", "--output_dir", "x", "--forget_people", "Ivo", "--forget_dataset", "y"],
            "give either forget_people or forget_dataset, not both",
        ),
        ([*UNLEARN, "--method", "scrub", "--max_steps", "5"], "scrub counts passes: give num_train_epochs"),
        ([*UNLEARN, "--stop_when", "loss<4"], "stop_when must be NAME>NUMBER with one of"),
        ([*UNLEARN, "--l1_from", "middle"], "from zero or start; not 0.0 from 'middle'"),
        ([*UNLEARN, "--salun", "1.5"], "salun must be between 0 and 1, not 1.5"),
        (["evaluate"], "name an output folder: --output FOLDER"),
        (["evaluate", "--output", "x", "--track", "sound"], "unknown track 'sound'; choose from image, text"),
        (["evaluate", "--output", "x", "--model_name_or_path", "./nothing"], "model './nothing': no such folder"),
        (["evaluate", "--output", "x", *NAMED[:2]], "dataset 'clear': no such folder; `python clear_dataset.py build"),
        (["evaluate", "--output", "x", *NAMED, "--batch_size", "-1"], "batch_size must be 1 or more, not -1"),
        (["evaluate", "--output", "x", *NAMED, "--batch_size", "many"], "--batch_size must be a number, not 'many'"),
        (
            ["evaluate", "--output", "x", *NAMED, "--control", "grey"],
            "unknown control 'grey'; choose from none, blank",
        ),
        (["evaluate", "--output", "x", "--config", "nowhere.yaml"], "--config: no file nowhere.yaml"),
        ([*UNLEARN, "--method", "nop"], "unknown method 'nop'; did you mean 'npo'? choose from"),
        ([*UNLEARN, "--num_train_epochs", "-3"], "num_train_epochs must be above 0, not -3"),
        ([*UNLEARN, "--per_device_train_batch_size", "0"], "per_device_train_batch_size must be 1 or more, not 0"),
        ([*UNLEARN, "--report_to", "wandb"], "report_to: wandb is not installed"),
        (["scroe"], "unknown command 'scroe'; did you mean 'score'?"),
        (["score", "nowhere.json"], "no log at nowhere.json"),
        (["report", "nowhere"], "holds no finished demo"),
        (["score", "nowhere.json", "--gold", "auto"], "no log at nowhere.json"),
        (["push-logs", "nowhere", "--repo_id", "ORG/clear-logs"], "no log at nowhere"),
        (["import-log", "nowhere.json", "--output", "x"], "no file nowhere.json"),
        (["demo", "--methods", "hope"], "unknown method 'hope'; choose from retain_finetune"),
        (["demo", "--corpus", "maxi"], "unknown corpus 'maxi'; choose from mini, tofu"),
        (["demo", "--corpus", "tofu"], "requires --tofu_dir"),
        (["demo", "--forget", "forget02"], "unknown forget set 'forget02'"),
        (["demo", "--persons", "3"], "persons must be 24 to 200, not 3"),
    ],
)
def test_a_users_error_is_one_line_and_code_2(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *argv)
    assert code == 2
    (line,) = [line for line in err.strip().splitlines() if not line.startswith("loading ")]
    assert line.startswith("error: ") and message in line
    assert not list(tmp_path.iterdir())


def test_help_lists_every_command(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"  {name} " in out for name in COMMANDS)


def test_unknown_flags_and_yaml_keys_are_errors(capsys, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("method: npo\nlearning_rte: 0.1\n")
    code, _, err = run(capsys, "unlearn", "--config", str(settings), "--output_dir", "x", *NAMED)
    assert code == 2
    assert "learning_rte" in err
    code, _, err = run(capsys, *UNLEARN, "--betta", "1")
    assert code == 2
    assert "--betta" in err


@needs_logs
def test_score_prints_tofus_numbers_as_json(capsys):
    full, gold = str(PUBLISHED_LOGS / "llama2-7b_full.json"), str(PUBLISHED_LOGS / "llama2-7b_retain90.json")
    code, out, _ = run(capsys, "score", full, "--gold", gold, "--json")
    scores = json.loads(out)
    assert code == 0
    assert scores["model_utility"] == pytest.approx(0.6226773637427152, rel=1e-9)
    assert scores["forget_quality"] == pytest.approx(1.834066410994743e-21, rel=1e-9)
    assert set(scores["tasks"]["eval_log.json"]) == {"probability", "rouge", "truth_ratio"}
    code, out, _ = run(capsys, "score", full)
    assert code == 0
    assert "0.623" in out


def test_a_damaged_log_is_named_with_its_row(capsys, tmp_path):
    log = log_of_rows()
    log["eval_log.json"]["avg_gt_loss"]["7"] = None
    (tmp_path / "log.json").write_text(json.dumps(log))
    code, _, err = run(capsys, "score", str(tmp_path / "log.json"))
    assert code == 2
    assert "eval_log.json, avg_gt_loss, row 7" in err


def test_the_installed_command_answers():
    command = Path(sys.executable).with_name("clear-unlearning")
    done = subprocess.run([command, "score", "nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: no log at nowhere\n"


@pytest.mark.parametrize("flag", ["--revision", "--model_revision", "--model-revision"])
def test_the_revision_of_a_model_goes_by_several_names(flag):
    (arguments,) = TrlParser(ModelArguments).parse_args_and_config([flag, "v1"])
    assert revision_setting(arguments) == {"revision": "v1"}
