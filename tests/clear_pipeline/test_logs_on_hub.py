"""Logs on a Hub on 127.0.0.1: pushed, and the gold one found by what a log says of itself."""

import json

import pytest

from clear_pipeline.hub.logs import dataset_identity, key_of, push_logs
from evaluate_metrics.log_format import LOG_NAME, META_NAME, write_log
from evaluate_metrics.scores import score_log
from evaluate_metrics.token_log import TOKENS_NAME, write_token_log

COMMAND = "from clear_pipeline.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
FIND = """
import sys
from pathlib import Path
from clear_pipeline.hub.logs import find_logs
for log, repo_id in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        print(find_logs(Path(log), "gold", repo_id or None)[0][1])
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}")
"""
PRINT = "abcdef0123456789"


def log_at(folder, role, shift=0.0, forget="forget10", base="llava-hf/llava-1.5-7b-hf", seed=1, **changes):
    """A small log with the metadata that `evaluate` writes."""
    indices = [str(index) for index in range(6)]
    fields = {
        "avg_gt_loss": {i: 0.2 + int(i) / 10 for i in indices},
        "avg_paraphrased_loss": {i: 0.3 + int(i) / 10 for i in indices},
        "average_perturb_loss": {i: [0.4 + shift * int(i), 1.5] for i in indices},
        "rougeL_recall": dict.fromkeys(indices, 0.5),
    }
    tasks = ("eval_log.json", "eval_log_forget.json", "eval_real_faces_wo_options.json")
    trained_on = {"gold": f"retain{100 - int(forget[6:])}+tofu", "original": "full+tofu"}.get(role, forget)
    meta = {
        "schema": 1,
        "model": str(folder / "model"),
        "forget": forget,
        "seed": 0,
        "max_examples": None,
        "dataset": {"source": str(folder / "clear"), "fingerprint": PRINT, "revision": None},
        "lineage": {"base_model": base, "role": role, "trained_on": trained_on, "training_seed": seed},
        **changes,
    }
    folder.mkdir()
    write_log(folder, dict.fromkeys(tasks, fields), meta)
    return folder


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "logs").mkdir()
    place = tmp_path / "logs"
    gold = log_at(place / "gold", "gold", shift=0.9)
    judged = {"judge_losses": {str(index): [1.0] for index in range(6)}}
    write_token_log(gold, {"schema": 1, "tasks": {"eval_log_forget.json": judged}, "judge": str(place / "gold")})
    return {
        "original": log_at(place / "original", "original"),
        "gold": gold,
        "gold2": log_at(place / "gold2", "gold", shift=0.8, seed=2),
        "npo": log_at(place / "npo", "unlearned", shift=0.2),
    }


def run(hub, *arguments, token="hf_keeper"):
    return hub.run("-c", COMMAND, *arguments, token=token)


def test_gold_is_found_by_what_the_log_says(hub, logs, tmp_path):
    pushed = run(hub, "push-logs", logs["original"], logs["gold"], logs["gold2"], "--repo_id", "ORG/clear-logs")
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout == f"{hub.url}/datasets/ORG/clear-logs: 8 files sent\n"
    files = hub.dataset("ORG/clear-logs").at("main").files
    folder = f"llava-hf--llava-1.5-7b-hf/gold/forget10/{PRINT[:12]}/seed-1-questions-0"
    assert files[f"{folder}/{LOG_NAME}"] == (logs["gold"] / LOG_NAME).read_bytes()
    assert str(tmp_path) not in "".join(content.decode() for content in files.values())
    assert json.loads(files[f"{folder}/{META_NAME}"])["model"] == "model"
    assert json.loads(files[f"{folder}/{TOKENS_NAME}"])["judge"] == "gold"
    assert sum(TOKENS_NAME in path for path in files) == 1

    again = run(hub, "push-logs", logs["gold"], "--repo_id", "ORG/clear-logs")
    assert again.stdout == f"{hub.url}/datasets/ORG/clear-logs: nothing changed, no commit\n"

    done = run(hub, "score", logs["npo"], "--gold", "auto", "--logs_repo", "ORG/clear-logs", "--json", token=None)
    assert done.returncode == 0, done.stderr
    assert f"gold: {folder}\ngold: {folder.replace('seed-1', 'seed-2')}\n" in done.stderr
    assert json.loads(done.stdout) == score_log(logs["npo"], logs["gold"], [logs["gold2"]])
    auto = ("--gold", "auto", "--original", "auto", "--logs_repo", "ORG/clear-logs")
    done = run(hub, "score", logs["npo"], *auto, "--json", token=None)
    assert json.loads(done.stdout) == score_log(
        logs["npo"], logs["gold"], [logs["gold2"]], original=logs["original"]
    ), done.stderr  # fmt: skip

    other = log_at(tmp_path / "logs/other", "unlearned", base="Qwen/Qwen2-VL-2B-Instruct")
    third = log_at(tmp_path / "logs/third", "unlearned", seed=3)
    done = hub.run("-c", FIND, other, "ORG/clear-logs", other, "ORG/nothing", other, "", third, "ORG/clear-logs")
    assert done.stdout.splitlines() == [
        f"FileNotFoundError: ORG/clear-logs has no log Qwen--Qwen2-VL-2B-Instruct/gold/forget10/{PRINT[:12]}/"
        f"seed-*-questions-0; it has {folder}, {folder.replace('seed-1', 'seed-2')}, "
        f"{folder.replace('/gold/', '/original/')}",
        "FileNotFoundError: dataset ORG/nothing is not on the Hub, or hidden from this token; was it deleted?",
        f"ValueError: {other} is of a local dataset: say where the gold logs are, --logs_repo NAMESPACE/NAME",
        folder,
    ], done.stderr


@pytest.mark.parametrize(
    ("changes", "base"),
    [
        ({"forget": "forget05"}, None),
        ({"dataset": {"source": "clear", "fingerprint": "0" * 16, "revision": None}}, None),
        ({"dataset": {"source": "ORG/clear", "fingerprint": None, "revision": "1" * 40}}, None),
        ({"seed": 7}, None),
        ({"max_examples": 300}, None),
        ({}, "other/base"),
    ],
)
def test_any_other_forget_set_rows_questions_or_base_is_another_log(changes, base):
    meta = {
        "forget": "forget10",
        "seed": 0,
        "dataset": {"fingerprint": PRINT},
        "lineage": {"base_model": "a/b", "training_seed": 1},
    }
    assert key_of(meta, "log", "gold").folder() != key_of({**meta, **changes}, "log", "gold", base).folder()


@pytest.mark.parametrize(
    ("role", "changes", "message"),
    [
        ("unlearned", {}, "is of role 'unlearned'; published are original, gold"),
        ("gold", {"lineage": {}}, "does not say its base model \\(give --base_model\\)"),
        ("gold", {"dataset": {"source": "x"}}, "does not say its dataset; `clear-unlearning evaluate` writes it down"),
        (
            "gold",
            {"lineage": {"base_model": "a/b", "role": "gold", "trained_on": "retain95"}},
            "was trained on retain",
        ),
    ],
)
def test_a_log_that_is_not_fit_to_publish_is_named(tmp_path, role, changes, message):
    log = log_at(tmp_path / "log", role, **changes)
    with pytest.raises(ValueError, match=f"^{log} .*{message}"):
        push_logs([log], "ORG/clear-logs")


def test_two_logs_of_the_same_are_refused(tmp_path):
    logs = [log_at(tmp_path / name, "gold") for name in ("one", "two")]
    with pytest.raises(ValueError, match="two is of the same model and rows as another log: llava-hf--llava"):
        push_logs(logs, "ORG/clear-logs")


def test_a_dataset_is_known_by_its_fingerprint_here_and_on_the_hub(hub, mini_data):
    meta = (mini_data / "dataset_meta.json").read_bytes()
    here = dataset_identity(str(mini_data))
    assert here == {"source": str(mini_data), "fingerprint": json.loads(meta)["fingerprint"], "revision": None}

    published = hub.create("dataset", "ORG/clear").commit("pushed", {"dataset_meta.json": meta}).oid
    bare = hub.create("dataset", "ORG/bare").history[0].oid
    program = """
import json
from clear_pipeline.hub.logs import dataset_identity
print(json.dumps([dataset_identity("ORG/clear"), dataset_identity("ORG/bare"), dataset_identity("ORG/hidden")]))
"""
    done = hub.run("-c", program, token=None)
    assert json.loads(done.stdout.splitlines()[-1]) == [
        {"source": "ORG/clear", "fingerprint": here["fingerprint"], "revision": published},
        {"source": "ORG/bare", "fingerprint": None, "revision": bare},
        {"source": "ORG/hidden", "fingerprint": None, "revision": None},
    ], done.stderr
