"""`clear-unlearning evaluate`: text questions to a vision-language model, and models that do not fit."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from clear_dataset import build, load_clear
from clear_pipeline.cli import main
from clear_pipeline.evaluate import evaluate_model
from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from clear_unlearning.tasks import TEXT_TASKS, task_example
from evaluate_metrics.log_format import LOG_NAME, META_NAME, TOKENS_NAME
from evaluate_metrics.scores import score_log


@pytest.fixture(scope="module")
def tofu(tmp_path_factory) -> Path:
    """The mini corpus's people in TOFU's configs."""
    return build("mini_text", tmp_path_factory.mktemp("data") / "tofu", persons=24, seed=5)


def evaluate(model: Path, tofu: Path, log: Path, *more: str) -> int:
    return main(
        ["evaluate", "--model_name_or_path", str(model), "--dataset", str(tofu), "--track", "text", "--output",
         str(log), "--max_examples", "3", "--device_map", "cpu", *more]
    )  # fmt: skip


@pytest.fixture
def model(tmp_path, mini_llava) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(mini_llava, tmp_path / "llava"))


def test_a_vision_language_model_is_asked_tofus_questions(tofu, mini_llava, tmp_path, capsys):
    log = tmp_path / "text"
    assert evaluate(mini_llava, tofu, log) == 0
    fields = json.loads((log / LOG_NAME).read_text())
    assert list(fields) == [task.key for task in TEXT_TASKS]
    assert not any(about["images"] for about in json.loads((log / "eval_log_meta.json").read_text())["tasks"].values())
    loaded = load_model(str(mini_llava), device="cpu")
    for task in TEXT_TASKS:
        example = task_example(task, load_clear(task.config.format(forget="forget10"), tofu)[1], 1, seed=0)
        with torch.no_grad():
            likelihood = answer_likelihood(loaded.model, Encoder(loaded.processor).batch([example]))
        assert fields[task.key]["gt_loss"]["1"] == pytest.approx(-likelihood.sums().item(), abs=1e-3)
    capsys.readouterr()
    assert main(["score", str(log), "--gold", str(log), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert len(scores["tasks"]) == 4 and scores["forget_quality"] == 1


def test_a_program_gets_the_log_and_the_numbers_of_the_commands(tofu, mini_llava, tmp_path, capsys):
    """By place and in memory; on disk it is the same log."""
    assert evaluate(mini_llava, tofu, tmp_path / "log", "--token_level") == 0
    asked = {"dataset": tofu, "track": "text", "max_examples": 3, "token_level": True}
    log = evaluate_model(mini_llava, **asked)
    files = {name: json.loads((tmp_path / "log" / name).read_text()) for name in (LOG_NAME, META_NAME, TOKENS_NAME)}
    assert json.loads(json.dumps([log.tasks, log.meta, log.tokens])) == list(files.values())
    network = load_model(str(mini_llava), device="cpu").model.train()
    in_memory = evaluate_model(network, None, **{**asked, "token_level": False})
    assert in_memory.tasks == log.tasks and network.training
    assert (in_memory.meta["lineage"], in_memory.meta["model_digest"]) == ({}, None)
    assert log.save(tmp_path / "saved") == tmp_path / "saved"
    capsys.readouterr()
    assert main(["score", str(tmp_path / "saved"), "--gold", str(tmp_path / "log"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(score_log(log, gold=in_memory)))
    with pytest.raises(FileExistsError, match="saved holds a log already; choose another folder"):
        log.save(tmp_path / "saved")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"forget": "forget50"}, "unknown forget set 'forget50'; choose from forget01, forget05, forget10"),
        ({"forget": ["Nobody Atall"]}, "no row is about 'Nobody Atall'"),
        ({"track": "photos"}, "unknown track 'photos'; choose from image, text"),
        ({"control": "dark"}, "unknown control 'dark'; choose from none, blank, text"),
        ({"max_examples": 0}, "max_examples must be 1 or more, not 0"),
        ({"model": 3}, "model must be a model in memory, or its folder or Hub id, not a int"),
        ({"dataset": "nowhere"}, "nowhere"),
    ],
)
def test_a_wrong_argument_of_a_program_is_named(tofu, mini_llava, arguments, message):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        evaluate_model(**{"model": mini_llava, "dataset": tofu, "track": "text", **arguments})


def test_a_chat_template_may_come_from_elsewhere(tofu, model, tmp_path, capsys):
    template = tmp_path / "template.jinja"
    (model / "chat_template.jinja").rename(template)
    assert evaluate(model, tofu, tmp_path / "log") == 2
    assert "llava has no chat template: name a Jinja file by --chat_template" in capsys.readouterr().err
    assert evaluate(model, tofu, tmp_path / "other", "--chat_template", str(template)) == 0


def test_a_prompt_longer_than_the_context_is_named(tofu, model, tmp_path, capsys):
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 80
    (model / "config.json").write_text(json.dumps(config))
    assert evaluate(model, tofu, tmp_path / "log") == 2
    err = capsys.readouterr().err
    assert "error: eval_log_forget.json, row " in err
    assert "and 64 new tokens do not fit into the model's context of 80" in err


def test_a_log_belongs_to_the_weights_and_settings_that_made_it(tofu, model, tmp_path, capsys):
    """The same request returns at once, another one is refused with what differs, or replaces it with --overwrite."""
    log = tmp_path / "log"
    assert evaluate(model, tofu, log) == 0
    before = (log / LOG_NAME).stat().st_mtime_ns
    moved = model.rename(tmp_path / "moved")
    assert evaluate(moved, tofu, log, "--batch_size", "2") == 0  # neither place nor batch size changes a number
    assert (log / LOG_NAME).stat().st_mtime_ns == before
    for flag, value in (("--seed", "1"), ("--max_examples", "2"), ("--dtype", "bfloat16"), ("--control", "text")):
        capsys.readouterr()
        assert evaluate(moved, tofu, log, flag, value) == 2, flag
        assert f"{flag[2:]}=" in capsys.readouterr().err.replace("loading.dtype", "dtype")
    network = load_model(str(moved), device="cpu").model
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    network.save_pretrained(moved)  # trained again in its place
    assert evaluate(moved, tofu, log) == 2
    assert "holds another run (model='" in capsys.readouterr().err
    assert evaluate(moved, tofu, log, "--overwrite", "true") == 0
    assert (log / LOG_NAME).stat().st_mtime_ns != before


def test_floors_change_what_they_should_and_say_so(tofu, mini_llava, tmp_path, capsys):
    """On the text track: the instruction moves all answers, the noise those about the forget set; questions stay."""
    logs = {}
    for floor in ("none", "icu", "eco"):
        assert evaluate(mini_llava, tofu, tmp_path / floor, "--floor", floor, "--eco_noise", "50") == 0
        logs[floor] = json.loads((tmp_path / floor / LOG_NAME).read_text())
    metas = {floor: json.loads((tmp_path / floor / META_NAME).read_text()) for floor in logs}
    assert "floor" not in metas["none"] and metas["icu"]["floor"]["name"] == "icu"
    people = sorted(set(load_clear("forget10", tofu)["name"]))
    assert all(name in metas["icu"]["floor"]["instruction"] for name in people) and len(people) > 1
    rows = {side: len(load_clear(split, tofu)) for side, split in (("forget", "forget10"), ("retain", "retain90"))}
    assert metas["eco"]["floor"] == {"name": "eco", "noise": 50.0, "dimensions": 1, "rows": rows}
    assert metas["icu"]["template"] == metas["none"]["template"]
    for task, fields in logs["none"].items():
        moved = {
            floor: [abs(log[task]["gt_loss"][i] - loss) > 1e-2 for i, loss in fields["gt_loss"].items()]
            for floor, log in logs.items()
        }
        assert all(moved["icu"]) and not any(moved["none"])
        if task == "eval_log_forget.json":
            assert all(moved["eco"])
        if task == "eval_log.json":
            assert not any(moved["eco"])
        asked = [[said[0] for said in log[task]["generated_text"].values()] for log in logs.values()]
        assert asked[0] == asked[1] == asked[2]
    scores = score_log(tmp_path / "icu", tmp_path / "none")
    assert scores["notes"][-1] == "floor icu: no weight has changed; a method must beat it, and it is not ranked"
    with pytest.raises(
        ValueError, match="the gold log is of a floor, icu: give the log of a model that was fine-tuned"
    ):
        score_log(tmp_path / "none", tmp_path / "icu")
    capsys.readouterr()
    assert evaluate(mini_llava, tofu, tmp_path / "wrong", "--floor", "icl") == 2
    assert "unknown floor 'icl'; choose from none, icu, eco" in capsys.readouterr().err
    assert evaluate(mini_llava, tofu, tmp_path / "wrong", "--floor", "eco", "--token_level", "true") == 2
    assert "floor eco disturbs the questions of a log, not those of --token_level" in capsys.readouterr().err
    assert evaluate(mini_llava, tofu, tmp_path / "wrong", "--floor", "eco", "--eco_noise", "0") == 2
    assert "eco_noise must be above 0, not 0.0" in capsys.readouterr().err
