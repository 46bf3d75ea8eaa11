"""The commands of the README, one after the other, on a small corpus and an untrained LLaVA with LoRA."""

import json
import shutil
from pathlib import Path

import pytest
from datasets import Dataset
from tensorboard.backend.event_processing import event_accumulator

from clear_dataset import load_clear
from clear_pipeline.cli import main
from clear_unlearning.models import load_model
from evaluate_metrics.log_format import LOG_NAME, read_log, read_meta
from evaluate_metrics.scores import score_log
from evaluate_metrics.token_log import TOKENS_NAME, read_token_log

pytestmark = pytest.mark.usefixtures("short_answers")
LORA = ("--use_peft", "true", "--lora_r", "4", "--lora_alpha", "8")
SHORT = ("--max_steps", "2", "--per_device_train_batch_size", "4", "--use_cpu", "true", "--report_to", "none",
         "--save_strategy", "no")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory, mini_llava, mini_data, short_answers) -> Path:
    """A folder with the data, an original and a gold model."""
    place = tmp_path_factory.mktemp("place")
    for name in ("clear", "clear_extra"):
        shutil.copytree(mini_data.with_name(name), place / name)
    for name, config in (("original", "full+tofu"), ("gold", "retain90+tofu")):
        code = main(
            ["finetune", "--model_name_or_path", str(mini_llava), *LORA, *SHORT, "--learning_rate", "1e-3",
             "--dataset", str(place / "clear"), "--dataset_config", config, "--output_dir", str(place / name)]
        )  # fmt: skip
        assert code == 0
    return place


@pytest.fixture(scope="module")
def unlearned(place) -> Path:
    code = main(
        ["unlearn", "--method", "npo", "--forget", "forget10", "--model_name_or_path", str(place / "original"), *LORA,
         *SHORT, "--learning_rate", "1e-2", "--dataset", str(place / "clear"), "--output_dir", str(place / "npo")]
    )  # fmt: skip
    assert code == 0
    return place / "npo"


def evaluate(place: Path, name: str, *more: str, into: str = "logs") -> Path:
    log = place / into / name
    arguments = ["--dataset", str(place / "clear"), "--forget", "forget10", "--max_examples", "3", *more]
    assert main(["evaluate", "--model_name_or_path", str(place / name), *arguments, "--output", str(log)]) == 0
    return log


def test_checkpoints_are_ordinary_folders(place, unlearned):
    for folder in (place / "original", unlearned):
        files = {path.name for path in folder.iterdir()}
        assert {"adapter_model.safetensors", "adapter_config.json", "README.md", "run.json", "history.json"} <= files
        assert "tokenizer_config.json" in files
        assert not any(name.startswith("checkpoint") for name in files)
        card = (folder / "README.md").read_text()
        assert f'load_model("{folder.name}")' in card and card.startswith("---\n")


def test_lora_is_on_the_language_model_alone(unlearned):
    targets = json.loads((unlearned / "adapter_config.json").read_text())["target_modules"]
    assert targets and all("language_model" in name for name in targets)
    assert not any("vision" in name for name in targets)


def test_unlearning_starts_from_the_original(place, unlearned, mini_llava):
    """The base of the new adapter is the folder of the original, which is an adapter itself: it is merged first."""
    config = json.loads((unlearned / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(place / "original")
    original, after = (dict(load_model(str(folder), device="cpu").model.named_parameters()) for folder in
                       (place / "original", unlearned))  # fmt: skip
    moved = {name for name in original if not original[name].equal(after[name])}
    assert moved and all("language_model" in name or "lm_head" in name for name in moved)


def test_from_models_to_numbers(place, unlearned, capsys):
    gold, log = evaluate(place, "gold"), evaluate(place, "npo")
    capsys.readouterr()
    assert main(["score", str(log), "--gold", str(gold), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert len(scores["tasks"]) == 6
    assert 0 < scores["forget_quality"] <= 1
    meta = json.loads((log / "eval_log_meta.json").read_text())
    built = json.loads((place / "clear/dataset_meta.json").read_text())
    assert meta["dataset"]["fingerprint"] == built["fingerprint"]
    assert (meta["forget"], meta["max_examples"], meta["model"]) == ("forget10", 3, str(place / "npo"))
    assert len(meta["tasks"]["eval_log.json"]["person"]) == 3
    of_gold = json.loads((gold / "eval_log_meta.json").read_text())["lineage"]
    assert (meta["lineage"]["role"], of_gold["role"], of_gold["trained_on"]) == ("unlearned", "gold", "retain90+tofu")
    assert meta["lineage"]["base_model"] == of_gold["base_model"]
    before = log.stat().st_mtime_ns
    assert main(["score", str(gold), "--gold", str(gold)]) == 0
    assert main(["score", str(log), "--gold", str(log)]) == 2
    assert "is of a model that is not gold: its role is 'unlearned', trained on forget10" in capsys.readouterr().err
    assert evaluate(place, "npo").stat().st_mtime_ns == before  # finished: not done again


def test_one_request_from_gold_to_score(place, unlearned, mini_llava, tmp_path, capsys):
    """Who is named is left out of gold, forgotten, and asked about; other questions than that are refused."""
    person = load_clear("retain_perturbed", place / "clear")["name"][0]
    data = ["--dataset", str(place / "clear"), "--forget_people", person]
    gold, npo = tmp_path / "gold", tmp_path / "npo"
    base, original = str(mini_llava), str(place / "original")
    assert main(["finetune", "--model_name_or_path", base, *data, *SHORT, "--output_dir", str(gold)]) == 0
    flags = ["--method", "npo", "--model_name_or_path", original]
    assert main(["unlearn", *flags, *data, *SHORT, "--output_dir", str(npo)]) == 0
    for model in (gold, npo, place / "original"):
        log = tmp_path / "logs" / model.name
        assert (
            main(["evaluate", "--model_name_or_path", str(model), *data, "--max_examples", "3", "--output", str(log)])
            == 0
        )
        meta = json.loads((log / "eval_log_meta.json").read_text())
        assert meta["forget"] == f"people {person}"
        assert set(meta["tasks"]["eval_log_forget.json"]["person"]) == {person}
        assert person not in meta["tasks"]["eval_log.json"]["person"]
    capsys.readouterr()
    assert main(["score", str(tmp_path / "logs/npo"), "--gold", str(tmp_path / "logs/gold"), "--json"]) == 0
    assert 0 < json.loads(capsys.readouterr().out)["forget_quality"] <= 1
    assert main(["score", str(tmp_path / "logs/npo"), "--gold", str(evaluate(place, "gold"))]) == 2
    assert f"the log is of forget set people {person}, the gold log of forget10" in capsys.readouterr().err
    out = ["--dataset", str(place / "clear"), "--output", str(tmp_path / "other")]
    assert main(["evaluate", "--model_name_or_path", str(npo), *out]) == 2
    assert f"npo was made without people {person}, and would be asked about forget10" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    flags = ["--model_name_or_path", base, "--dataset_config", "retain90+tofu"]
    assert main(["finetune", *flags, *data, *SHORT, "--output_dir", str(tmp_path / "other")]) == 2
    assert "retain90+tofu lacks a forget set already: name people or rows" in capsys.readouterr().err


def test_a_small_model_for_any_dataset(place, tmp_path):
    """`--model_name_or_path mini` builds one beside the result, once for original and gold."""
    flags = ["--model_name_or_path", "mini", "--dataset", str(place / "clear"), *SHORT]
    assert main(["finetune", *flags, "--output_dir", str(tmp_path / "original")]) == 0
    before = (tmp_path / "mini-base/model.safetensors").stat().st_mtime_ns
    more = ["--dataset_config", "retain90+tofu", "--output_dir", str(tmp_path / "gold")]
    assert main(["finetune", *flags, *more]) == 0
    assert (tmp_path / "mini-base/model.safetensors").stat().st_mtime_ns == before
    of_gold = json.loads((tmp_path / "gold/run.json").read_text())["lineage"]
    assert (of_gold["base_model"], of_gold["forgotten"]) == ("mini-image", "forget10")


def test_tokens_held_out_people_and_a_judge_stand_beside_the_log(place, unlearned, capsys):
    plain = evaluate(place, "npo")
    more = ("--token_level", "--judge", str(place / "gold"))
    gold, log = (evaluate(place, name, *more, into="token_logs") for name in ("gold", "npo"))
    assert {path.name for path in log.iterdir()} - {path.name for path in plain.iterdir()} == {TOKENS_NAME}
    assert (log / LOG_NAME).read_bytes() == (plain / LOG_NAME).read_bytes()  # TOFU's fields alone, and the same
    written = json.loads((log / LOG_NAME).read_text())["eval_log_forget.json"]
    tokens = json.loads((log / TOKENS_NAME).read_text())
    for row, own in tokens["tasks"]["eval_log_forget.json"]["token_log_probs"].items():
        assert len(own) == written["num_token_gt"][row]
        assert -sum(own) == pytest.approx(written["gt_loss"][row], abs=1e-4 * len(own))
    found = read_token_log(log)
    assert len(found.tasks) == len(found.judge_losses) == 6
    held_out = load_clear("people", place / "clear_extra")
    assert found.held_out and found.held_out.answers == held_out["caption"]
    assert found.held_out.people == held_out["name"]
    capsys.readouterr()
    assert main(["score", str(log), "--gold", str(gold), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["fluency"] > 0 and 0 <= scores["exact_memorization"] <= 1
    # Three rows of one person are too few for a baseline that is cross-validated by person.
    assert scores["membership"] is None
    assert any("needs two people on each side; there are [8, 1]" in note for note in scores["notes"])
    assert main(["evaluate", "--model_name_or_path", str(place / "npo"), "--dataset", str(place / "clear"),
                 "--max_examples", "3", "--token_level", "--output", str(log)]) == 2  # fmt: skip
    assert "holds another run (judge=" in capsys.readouterr().err


def test_another_run_in_the_folder_is_refused(place, unlearned, capsys):
    code = main(
        ["unlearn", "--method", "gradient_ascent", "--model_name_or_path", str(place / "original"), *SHORT,
         "--dataset", str(place / "clear"), "--output_dir", str(unlearned)]
    )  # fmt: skip
    err = capsys.readouterr().err
    assert code == 2
    assert "npo holds another run (" in err and "method='npo'" in err


def test_settings_come_from_yaml_and_the_command_line_wins(place, capsys, tmp_path):
    yaml = tmp_path / "settings.yaml"
    yaml.write_text(f"method: gradient_ascent\nmodel_name_or_path: {place / 'original'}\ndataset: {place / 'clear'}\n"
                    "learning_rate: 1.0e-3\nmax_steps: 1\nuse_cpu: true\nsave_strategy: 'no'\n"
                    "report_to: tensorboard\nlogging_steps: 1\n")  # fmt: skip
    out = tmp_path / "model"
    assert main(["unlearn", "--config", str(yaml), "--learning_rate", "2e-3", "--output_dir", str(out)]) == 0
    settings = json.loads((out / "run.json").read_text())["settings"]["settings"]
    assert settings["learning_rate"] == 2e-3 and "report_to" not in settings
    (events,) = out.glob("runs/*/events.out.tfevents.*")
    tags = event_accumulator.EventAccumulator(str(events)).Reload().Tags()["scalars"]
    assert {"train/loss", "train/forget_loss"} <= set(tags)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--model_name_or_path": "nowhere"}, "nowhere"),
        ({"--forget": "forget07"}, "unknown forget set 'forget07'; choose from forget01, forget05, forget10"),
        ({"--dataset": "nowhere"}, "dataset 'nowhere': no such folder"),
        (
            {"--model_name_or_path": "LLAMA", "--modality": "image"},
            "takes no images, and there are photos to forget and to retain: give only rows of text",
        ),
        ({"--model_name_or_path": "LLAMA", "--modality": "text"}, "there are photos to retain: give only rows"),
        ({"--forget_people": "Nobody At All"}, "no row is about 'Nobody At All'"),
        ({"--forget_people": "EVERYBODY"}, "there are no rows to retain; choose other people, rows or modality"),
        ({"--learning_rate": "0"}, "learning_rate must be above 0, not 0.0"),
        ({"--method": "rmu", "--layer": "9"}, "layers must be 0 to 1, not [7, 8, 9]"),
        ({"--method": "rmu", "--layer": "0", "--trained_layers": "1"}, "trained_layers [1] are above layer 0"),
        ({"--method": "rmu", "--trained_weights": "c_proj"}, "no module's name ends in 'c_proj'; there are"),
        ({"--method": "idk", "--stop_when": "forget_loss>4"}, "with one of retain_loss; not 'forget_loss>4'"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(place, mini_llama, capsys, tmp_path, changed, message):
    there = {"--method": "npo", "--model_name_or_path": str(place / "original"), "--dataset": str(place / "clear")}
    everybody = ",".join(sorted(set(load_clear("full", place / "clear")["name"])))
    stands_for = {"LLAMA": str(mini_llama), "EVERYBODY": everybody}
    arguments = [stands_for.get(word, word) for pair in {**there, **changed}.items() for word in pair]
    assert main(["unlearn", *arguments, *SHORT, "--output_dir", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert message in err[-1] and err[-1].startswith("error: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--control": "dark"}, "unknown control 'dark'; choose from none, blank, text"),
        ({"--dataset": "nowhere"}, "dataset 'nowhere': no such folder"),
        ({"--track": "sound"}, "unknown track 'sound'; choose from image, text"),
        ({"--judge": "nowhere"}, "model 'nowhere': no such folder"),
        ({"--token_level": "true", "--holdout": "nowhere"}, "nowhere is neither"),
        ({"--holdout": "nowhere"}, "--holdout and --holdout_config require --token_level"),
        ({"--token_level": "true", "--holdout_config": "strangers"}, "unknown config 'strangers'; choose from"),
        (
            {"--token_level": "true", "--holdout_config": "photos"},
            "clear_extra, photos: held-out people must be unknown to every model, but",
        ),
    ],
)
def test_an_evaluation_that_cannot_be_leaves_nothing(place, capsys, tmp_path, changed, message):
    given = {"--model_name_or_path": str(place / "original"), "--dataset": str(place / "clear"), **changed}
    arguments = [word for pair in given.items() for word in pair]
    assert main(["evaluate", *arguments, "--output", str(tmp_path / "log")]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_text_questions_stand_beside_the_photos(place, unlearned):
    log = place / "logs" / "questions"
    arguments = ["--dataset", str(place / "clear"), "--track", "text", "--forget", "forget10", "--max_examples", "6"]
    assert main(["evaluate", "--model_name_or_path", str(unlearned), *arguments, "--output", str(log)]) == 0
    meta = json.loads((log / "eval_log_meta.json").read_text())
    assert {task: about["config"] for task, about in meta["tasks"].items()} == {
        "eval_log_forget.json": "forget10_text", "eval_log.json": "retain_text"
    }  # fmt: skip
    row = load_clear("forget10_text", place / "clear_extra")[0]
    assert read_log(log)["eval_log_forget.json"].generated[0][::2] == [row["question"], row["answer"]]


def test_a_dataset_without_the_config_is_named(place, capsys, tmp_path):
    (tmp_path / "data/other").mkdir(parents=True)
    Dataset.from_dict({"x": [1]}).to_parquet(tmp_path / "data/other/train.parquet")
    code = main(["unlearn", "--method", "npo", "--model_name_or_path", str(place / "original"), "--dataset",
                 str(tmp_path / "data"), *SHORT, "--output_dir", str(tmp_path / "out")])  # fmt: skip
    assert code == 2
    assert "has no config 'forget10+tofu'; it has other" in capsys.readouterr().err


@pytest.fixture(scope="module")
def gold_log(place) -> Path:
    """Gold's on the selection set: all photos of the people to forget, and the first of the others."""
    return evaluate(place, "gold", "--selection", str(place / "clear_extra"), "--max_examples", "32", into="selection")


def test_a_training_ends_when_it_is_as_far_as_gold_on_the_selection_set(place, gold_log):
    people = set(load_clear("forget10", place / "clear")["name"])
    photos = [row for row in load_clear("selection", place / "clear_extra") if row["name"] in people]
    said = [row["caption"] for row in photos]
    assert [text[2] for text in read_log(gold_log)["eval_log_forget.json"].generated] == said
    out = place / "until-gold"
    arguments = {
        "--method": "kl", "--dataset": str(place / "clear"), "--model_name_or_path": str(place / "original"),
        "--gold_log": str(gold_log), "--stop_when": "forget_quality>0.01", "--quality_steps": "1",
        "--learning_rate": "1e-5", "--output_dir": str(out),
    }  # fmt: skip
    assert main(["unlearn", *LORA, *SHORT, *(word for pair in arguments.items() for word in pair)]) == 0
    history = json.loads((out / "history.json").read_text())
    (record,) = [row for row in history if "stopped_when" in row]
    assert (record["step"], record["stopped_when"]) == (1, "forget_quality>0.01")
    assert json.loads((out / "run.json").read_text())["settings"]["gold_log"] == str(gold_log)
    # A model like gold has the p-value that the log of the whole evaluation has.
    log = evaluate(place, "until-gold", "--selection", str(place / "clear_extra"), "--max_examples", "32")
    scores = score_log(log, gold_log)
    assert record["forget_quality"] == pytest.approx(scores["forget_quality"])
    assert read_meta(log)["selection"] == str(place / "clear_extra")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--stop_when": "forget_quality>0.05"}, "stop_when forget_quality requires --gold_log: the gold"),
        ({"--gold_log": "GOLD"}, "--gold_log requires --stop_when"),
        ({"--stop_when": "forget_quality>0.05", "--gold_log": "nowhere"}, "no log at nowhere"),
        ({"--stop_when": "forget_quality>0.05", "--gold_log": "GOLD", "--forget": "forget05"}, "in the selection set"),
        ({"--stop_when": "forget_quality>0.05", "--gold_log": "GOLD", "--selection": "nowhere"}, "nowhere is neither"),
    ],
)
def test_a_gold_log_that_does_not_fit_is_named(place, gold_log, capsys, tmp_path, changed, message):
    given = {"--model_name_or_path": str(place / "original"), "--dataset": str(place / "clear"), **changed}
    arguments = [word.replace("GOLD", str(gold_log)) for pair in given.items() for word in pair]
    assert main(["unlearn", "--method", "npo", *arguments, *SHORT, "--output_dir", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert message in err[-1] and err[-1].startswith("error: ")
    assert not list(tmp_path.iterdir())
