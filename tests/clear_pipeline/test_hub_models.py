"""Checkpoints on a Hub on 127.0.0.1: what is published, what its card says, and what is refused."""

import json
import shutil

import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model

from clear_pipeline.hub.logs import push_logs
from clear_pipeline.hub.models import push_model
from clear_pipeline.runs.provenance import model_digest, next_lineage
from clear_unlearning.models import load_model
from evaluate_metrics.scores import score_log
from tests.clear_pipeline.test_logs_on_hub import PRINT, log_at

PROGRAM = """
import json, sys
from clear_pipeline.cli import main
from clear_unlearning.models import load_model
for command in json.load(open(sys.argv[1])):
    print(main(command))
loaded = load_model("ORG/npo", device="cpu")
print(loaded.source, loaded.takes_images)
print(sum(weight.double().abs().sum().item() for weight in loaded.model.parameters()))
"""
PEOPLE = {"person": ["Ivo", "Mara", "Lena", "Otto", "Pia", "Quin"]}
ORIGINAL = ("--repo_id", "ORG/original", "--licence", "mit")
TASKS = ("eval_log.json", "eval_log_forget.json", "eval_real_faces_wo_options.json")


def finished(folder, **settings):
    """Says that a folder is a finished training, as the recipes do."""
    about = {"dataset": {"source": "/data/clear", "fingerprint": PRINT, "revision": None},
             "hardware": {"processor": "x86_64"}, "versions": {"torch": "2"}}  # fmt: skip
    record = {"settings": settings, "seconds": 2.0, "steps": 7, **about}
    if settings["recipe"] != "evaluate":
        record["lineage"] = next_lineage(settings)
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "history.json").write_text("[]")
    return folder


@pytest.fixture
def models(tmp_path, mini_llava):
    """An original model, and an adapter of it."""
    original, npo = tmp_path / "original", tmp_path / "npo"
    shutil.copytree(mini_llava, original)
    finished(original, recipe="finetune", model=str(mini_llava), dataset_config="full+tofu", settings={}, data=PRINT)
    torch.manual_seed(0)
    lora = LoraConfig(r=2, init_lora_weights=False, target_modules=r".*language_model.*(q|v)_proj")
    get_peft_model(load_model(str(original), device="cpu").model, lora).save_pretrained(npo)  # type: ignore[arg-type]
    finished(npo, recipe="unlearn", method="npo", model=str(original), forget="forget10", data=PRINT,
             settings={"seed": 3}, lora={"r": 2})  # fmt: skip
    return original, npo


def test_an_original_and_an_adapter_of_it_go_to_the_hub(hub, models, tmp_path):
    original, npo = models
    tasks = dict.fromkeys(TASKS, PEOPLE)
    log = log_at(
        tmp_path / "log", "unlearned", shift=0.2, model=str(npo), model_digest=model_digest(str(npo)), tasks=tasks
    )
    golds = [log_at(tmp_path / f"gold-{n}", "gold", shift=0.9 + n / 50, tasks=tasks) for n in range(3)]
    first = log_at(tmp_path / "first", "original", tasks=tasks)
    push = ["push", str(npo), "--repo_id", "ORG/npo", "--licence", "mit", "--log", str(log), "--original", str(first)]
    push += [part for gold in golds for part in ("--gold", str(gold))]
    based = [*push, "--base_model", "ORG/original", "--tag", "v1"]
    commands = [
        [*push, "--base_model", "ORG/nothing"],
        ["push", str(original), "--repo_id", "ORG/original", "--licence", "mit"],
        push,
        based,
        based,
    ]
    (tmp_path / "commands.json").write_text(json.dumps(commands))
    done = hub.run("-c", PROGRAM, tmp_path / "commands.json")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line in ("0", "2")] == ["2", "0", "2", "0", "0"], done.stderr
    nothing, folder = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "model ORG/nothing is not on the Hub" in nothing
    assert f"is an adapter of the folder {original}, which nobody else has" in folder
    assert f"{hub.url}/ORG/npo: nothing changed, no commit" in lines

    local = load_model(str(npo), device="cpu").model
    assert lines[-2] == "ORG/npo True"
    assert float(lines[-1]) == pytest.approx(sum(w.double().abs().sum().item() for w in local.parameters()), rel=1e-6)

    repo = hub.repo("model", "ORG/npo")
    files = repo.at("v1").files
    assert len(repo.history) == 2  # that of the repository's making, and one
    assert {"README.md", "adapter_model.safetensors", "adapter_config.json"} <= files.keys()
    assert not {"run.json", "history.json"} & files.keys()
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "ORG/original"
    texts = {name: content.decode() for name, content in files.items() if name.endswith((".md", ".json"))}
    assert not [name for name, text in texts.items() if str(tmp_path) in text or "/data/clear" in text]

    head, body = texts["README.md"].split("---\n", 2)[1:]
    card, scores = yaml.safe_load(head), score_log(log, golds[0], golds[1:], original=first)
    (result,) = card["model-index"][0]["results"]
    metrics = {metric["type"]: metric for metric in result["metrics"]}
    assert card["license"] == "mit" and card["base_model"] == "ORG/original" and card["library_name"] == "peft"
    metric = metrics["model_utility"]
    assert metric["value"] == pytest.approx(scores["model_utility"])
    assert metric["args"]["interval_95"] == pytest.approx(scores["intervals"]["model_utility"])
    assert metrics["gold_share"]["value"] == pytest.approx(scores["gold_share"])
    assert {"forget_quality", "forget_quality_statistic", "real", "retain", "forget"} <= metrics.keys()
    assert result["dataset"]["config"] == "forget10"
    made = json.loads(body.split("```json\n")[1].split("```")[0])
    assert made["method"] == "npo" and made["settings"] == {"seed": 3} and made["steps"] == 7
    assert made["dataset"] == {"source": "clear", "fingerprint": PRINT, "revision": None}
    assert made["hardware"] == {"processor": "x86_64"}


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda npo, _: npo.rename(npo.with_name("npo.part")), ValueError, "npo is not finished"),
        (lambda npo, _: shutil.rmtree(npo), FileNotFoundError, "no folder .*npo"),
        (lambda npo, _: (npo / "run.json").unlink(), ValueError, "holds no run.json"),
        (lambda npo, _: finished(npo, recipe="evaluate"), ValueError, "npo is not a trained model.*'evaluate'"),
        (lambda npo, _: (npo / "adapter_model.safetensors").unlink(), FileNotFoundError, "lacks its weights: adapter"),
        (lambda _, call: call.update(base_model=str(call["folder"])), ValueError, "--base_model is the Hub id"),
        (lambda npo, call: call.update(golds=[npo]), ValueError, "--gold and --original go with --log"),
        (lambda npo, call: call.update(original=npo), ValueError, "--gold and --original go with --log"),
    ],
)
def test_what_is_not_fit_to_publish_is_named(models, spoil, error, message):
    call = {"folder": models[1], "repo_id": "ORG/npo", "licence": "mit"}
    spoil(models[1], call)
    with pytest.raises(error, match=message):
        push_model(**call)


def test_a_log_of_another_model_is_refused(models, tmp_path):
    log = log_at(tmp_path / "log", "original")
    with pytest.raises(ValueError, match="is of the model .*/model as it was when it was scored, not of .*original"):
        push_model(models[0], "ORG/original", "mit", log=log)


def test_a_log_of_a_floor_is_not_published(models, tmp_path):
    """Neither as the scores of a model's card, nor as the original's own log."""
    log = log_at(tmp_path / "log", "original", floor={"name": "icu"}, model_digest=model_digest(str(models[0])))
    with pytest.raises(ValueError, match="log is of floor icu, not of the model alone; evaluate without --floor"):
        push_model(models[0], "ORG/original", "mit", log=log)
    with pytest.raises(ValueError, match="log is of floor icu; published are logs of original, gold"):
        push_logs([log], "ORG/clear-logs")


OFFLINE = """
import os, sys
if sys.argv[1] == "offline":
    os.environ["HF_HUB_OFFLINE"] = "1"
from clear_unlearning.models import load_model, model_commit
for source, revision in (("ORG/original", None), ("ORG/original", "v2"), ("ORG/nothing", None)):
    try:
        loaded = load_model(source, revision=revision, device="cpu")
        print(loaded.commit == model_commit(source, revision), len(loaded.commit))
    except OSError as error:
        print(type(error).__name__, error)
"""


def test_a_cached_model_loads_without_a_network(hub, models):
    push_program = "import sys; from clear_pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    assert hub.run("-c", push_program, "push", models[0], *ORIGINAL).returncode == 0
    online, offline = (hub.run("-c", OFFLINE, where).stdout.splitlines() for where in ("online", "offline"))
    assert online[0] == offline[0] == "True 40"
    assert online[1] == "FileNotFoundError model 'ORG/original' has no revision 'v2' on the Hub"
    assert "no such repository on the Hub" in online[2]
    for line in offline[1:]:
        assert line.endswith("the Hub cannot be reached, and the cache does not have it")
