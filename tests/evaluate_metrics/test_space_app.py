"""The Spaces of the metrics as they are published: each app is started and asked over HTTP."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clear_data.publishing.publish import REQUIREMENTS, write_space
from evaluate_metrics import METRICS
from evaluate_metrics.membership.compute import membership
from evaluate_metrics.scores import score_log
from evaluate_metrics.token_log import read_token_log
from tests.evaluate_metrics.test_further_scores import tokens_of
from tests.loopback_hub.server import ROOT

# Starts the app of every Space in its own folder, and asks what a visitor asks.
PROGRAM = """
import json, runpy, sys
from pathlib import Path
from gradio_client import Client, handle_file
answers = {}
for metric in sys.argv[1].split(","):
    folder = Path(metric).resolve()
    sys.path.insert(0, str(folder))
    for module in [name for name in sys.modules if name.startswith("evaluate_metrics")]:
        sys.modules.pop(module)
    app = runpy.run_path(str(folder / "app.py"))["app"]
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True)
    client = Client(url, verbose=False)

    def ask(*inputs, api_name):
        try:
            return client.predict(*inputs, api_name=api_name)
        except Exception as error:
            return str(error)

    from_tokens = metric in ("extraction_strength", "exact_memorization", "membership")
    log = "tokens.json" if from_tokens else "log.json"
    logs = [handle_file(log), handle_file("gold.json")][: 2 if metric == "forget_quality" else 1]
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    found = {}
    if "/logs" in endpoints:
        found["logs"] = ask(*logs, api_name="/logs")
        found["broken"] = ask(*[handle_file("broken.json")] * len(logs), api_name="/logs")
    if "/pasted" in endpoints:
        defaults = [p["parameter_default"] for p in endpoints["/pasted"]["parameters"]]
        found["pasted"] = ask(*defaults, api_name="/pasted")
        found["nonsense"] = ask("0.5 x", *["y"] * (len(defaults) - 1), api_name="/pasted")
    answers[metric] = found
    app.close()
    sys.path.remove(str(folder))
print(json.dumps(answers))
"""
TASKS = ("eval_log.json", "eval_log_forget.json", "eval_real_faces_wo_options.json")


def log_of(shift: float) -> dict:
    """A log of three tasks with four examples each."""
    indices = [str(index) for index in range(4)]
    fields = {
        "avg_gt_loss": {i: 0.2 + int(i) / 10 for i in indices},
        "avg_paraphrased_loss": {i: 0.3 + int(i) / 10 for i in indices},
        "average_perturb_loss": {i: [0.4 + shift * int(i), 1.5] for i in indices},
        "rougeL_recall": dict.fromkeys(indices, 0.5),
        "generated_text": {i: ["Who is this?", "Mara", "Mara Torgard"] for i in indices},
    }
    return dict.fromkeys(TASKS, fields)


@pytest.fixture(scope="module")
def spaces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spaces")
    for metric in METRICS:
        write_space(metric, ROOT / "evaluate_metrics", folder / metric, "ORG")
    (folder / "log.json").write_text(json.dumps(log_of(0.1)))
    (folder / "gold.json").write_text(json.dumps(log_of(0.9)))
    (folder / "tokens.json").write_text(json.dumps(tokens_of("original")))
    (folder / "broken.json").write_text('{"eval_log.json": ')
    return folder


@pytest.fixture(scope="module")
def answers(spaces):
    environment = {**os.environ, "HF_HOME": str(spaces / "hf"), "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": ""}
    command = [sys.executable, "-c", PROGRAM, ",".join(METRICS)]
    done = subprocess.run(command, cwd=spaces, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_logs_give_the_numbers_of_score(answers):
    scores = score_log(log_of(0.1), log_of(0.9))
    assert answers["model_utility"]["logs"] == {"model_utility": pytest.approx(scores["model_utility"])}
    assert answers["clear_scores"]["logs"] == pytest.approx({key: scores[key] for key in ("real", "retain", "forget")})
    assert answers["forget_quality"]["logs"]["forget_quality"] == pytest.approx(scores["forget_quality"])
    for metric in ("probability", "rouge", "truth_ratio"):
        expected = {task: values[metric] for task, values in scores["tasks"].items()}
        assert answers[metric]["logs"] == pytest.approx(expected)


@pytest.mark.slow
def test_tokens_give_the_numbers_of_score(answers):
    assert answers["extraction_strength"]["logs"] == {"eval_log_forget.json": 0.5}
    assert answers["exact_memorization"]["logs"] == {"eval_log_forget.json": 0.5}
    inputs = read_token_log(tokens_of("original")).membership_inputs("eval_log_forget.json")
    expected = membership(inputs.pop("predictions"), inputs.pop("references"), **inputs)
    assert answers["membership"]["logs"]["auc_min_k"] == pytest.approx(expected["auc_min_k"])
    assert answers["membership"]["logs"]["warnings"] == expected["warnings"]
    said = {"fluency": None, "fluency_median": None, "repetition": 0.0, "refusals": 0.0}
    assert answers["fluency"]["logs"] == dict.fromkeys(TASKS, said)


@pytest.mark.slow
def test_the_examples_can_be_computed(answers):
    assert answers["fluency"]["pasted"] == pytest.approx(
        {"fluency": 2.75, "fluency_median": 1.75, "repetition": 0.125, "refusals": 0.5}
    )
    assert answers["privleak"]["pasted"] == {"privleak": -50.0, "relative_difference": 50.0}
    assert answers["probability"]["pasted"] == {"probability": pytest.approx((0.5 + 2.718281828**-0.5) / 2)}
    assert answers["rouge"]["pasted"] == {"rouge": pytest.approx((1 + 2 / 3) / 2)}
    assert answers["truth_ratio"]["pasted"] == {"truth_ratio": pytest.approx((2.718281828**-1 + 1) / 2)}
    assert answers["forget_quality"]["pasted"]["forget_quality"] == pytest.approx(2 / 70)
    assert answers["u_lira"]["pasted"]["u_lira"] == answers["u_mia"]["pasted"]["u_mia"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_bad_input_is_answered_with_its_cause(answers, metric):
    if metric not in ("privleak", "gold_distance", "u_lira", "u_mia"):  # those take no log
        assert "broken.json is not JSON" in answers[metric]["broken"]
        assert "/" not in answers[metric]["broken"]
    if metric in ("probability", "truth_ratio", "forget_quality", "privleak", "u_lira", "u_mia"):
        assert "could not convert string to float: 'x'" in answers[metric]["nonsense"]


@pytest.mark.parametrize("metric", METRICS)
def test_a_space_has_all_that_it_needs(spaces, metric):
    card = (spaces / metric / "README.md").read_text()
    tested = re.search(r"^gradio==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert tested and f"\nsdk_version: {tested[1]}\n" in card
    assert f'evaluate.load("ORG/{metric}")' in card
    # evaluate.load fetches the metric's files only: they import nothing of the package that the app lies in.
    modules = [path for path in (spaces / metric).glob("*.py") if path.name != "app.py"]
    assert "evaluate_metrics" not in "".join(path.read_text() for path in modules)
    assert (spaces / metric / "requirements.txt").read_text().splitlines() == list(REQUIREMENTS)


def test_requirements_are_those_of_the_project():
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())["project"]
    assert set(REQUIREMENTS) <= set(project["dependencies"])
