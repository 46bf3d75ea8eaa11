"""A table of wrong inputs over all commands: each ends with exit code 2 and one line, and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clear_dataset
from clear_data.command_line import explain
from clear_pipeline.cli import main
from clear_pipeline.experiment.demo import DemoArguments
from trainers import METHODS

BAD, NOT_YAML = "{% for %}", "a: [1\n"
FILES = {
    "means.json": '{"forget_Q_A_Prob": 0.99}',
    "list.json": "[1, 2]",
    "cut.json": '{"eval_log.json": {',
    "file": "x",
    "table.csv": "a,b\n1,2\n",
    "bad.yaml": NOT_YAML,
    "list.yaml": "- 1\n",
    "typo.yaml": "learning_rte: 1\n",
    "unknown.yaml": "corpsu: mini\n",
    "little.yaml": "corpus: mini\nmodel: mini\n",
    "bases.json": '{"bases": [{"base_model": "a/b"}]}',
}
UNLEARN = "unlearn --method npo --output_dir out --model_name_or_path {model} --dataset {data}"
FINETUNE = "finetune --output_dir out --model_name_or_path {model} --dataset {data}"
EVALUATE = "evaluate --output out --model_name_or_path {model} --dataset {data}"
AUDITED = "audit {model} --dataset {data} --original {model} --output out"
AUDIT = f"{AUDITED} --gold {{model}}"
SUBMIT = ("submit --repo-id A/b --base_model m --forget forget10 --method m --data_used d --seeds 0 --gpu_hours 1 "
          "--licence mit --contact c --statement")  # fmt: skip

# Command line -> what its one line says.
WRONG = {
    # ours
    "scroe": "unknown command 'scroe'; did you mean 'score'? choose from demo",
    "score": "required: log; see `clear-unlearning score --help`",
    "score nowhere": "no log at nowhere",
    "score empty": "no log at empty",
    "score list.json": "list.json: not a log; expected task keys such as",
    "score cut.json": "cut.json is not JSON",
    "score file": "file is not JSON",
    "score binary": "binary is not JSON",
    "score means.json": "means.json, forget_Q_A_Prob: missing avg_gt_loss",
    "score a b c": "unknown argument 'c'",
    "score a --golds b": "unknown argument '--golds'; did you mean '--gold'?",
    "score a --paper tofu": "invalid choice: 'tofu' (choose from 'clear')",
    "import-log": "required: file, --output",
    "import-log means.json --output out": "has only means, as TOFU_SUMMARY.json does",
    "import-log list.json --output out": "list.json has no complete task of TOFU",
    "import-log cut.json --output out": "cut.json is not JSON",
    "import-log empty --output out": "no file empty",
    "import-log means.json --output out --forget forget02": "invalid choice: 'forget02'",
    "report": "required: folder",
    "report empty": "empty holds no finished demo",
    "report file": "file holds no finished demo",
    "demo --output file": "--output file is a file; name a folder",
    "demo --output out --seed -1": "seed must be 0 or more, not -1",
    "demo --output out --seed a": "invalid int value: 'a'",
    "demo --output out --photos 0": "photos must be 8 to 100, not 0",
    "demo --output out --persons -5": "persons must be 24 to 200, not -5",
    "demo --output out --authors 4": "--authors is used only by corpus tofu, not by mini",
    "demo --output out --tofu_dir empty": "--tofu_dir is used only by corpus tofu, not by mini",
    "demo --output out --corpus tofu --tofu_dir empty": "no file qa.jsonl there",
    "demo --output out --metods npo": "unknown argument '--metods'; did you mean '--methods'?",
    "table": "required: --recipe",
    "table --recipe nope": "no recipe 'nope': give a YAML file or one of",
    "table --recipe bad.yaml": "bad.yaml is not YAML",
    "table --recipe list.yaml": "list.yaml: expected a mapping of keys to values",
    "table --recipe unknown.yaml": "unknown.yaml: unknown key 'corpsu'; valid: track, model",
    "table --recipe little.yaml": "little.yaml: key 'track' is missing",
    "table --recipe mini --methods nop": "recipe mini has no method 'nop'; did you mean 'npo'? it has retain_finetune",
    "table --recipe mini --seeds a": "--seeds takes whole numbers with commas, not 'a'",
    "table --recipe mini --modalities sound": "'sound' is not one of text, image, both",
    "table --recipe mini --executor cloud --output out": "unknown executor 'cloud'; choose from local, ray",
    "table --recipe mini --workers 0 --output out": "workers must be 1 or more, not 0",
    "table --recipe tofu --tofu_dir nowhere --dry_run": "--tofu_dir nowhere: no file qa.jsonl there",
    "table --recipe mini --tofu_dir nowhere --dry_run": "--tofu_dir is used only by corpus tofu, not by mini",
    "push empty --repo_id A/b --licence mit": "empty exists and holds no run.json",
    "push file --repo-id A/b --licence mit": "file exists and holds no run.json",
    "push nowhere --repo_id A/b --licence mit": "no folder nowhere",
    "push-logs empty --repo_id A/b": "no log at empty",
    "visual": "required: verb",
    "visual demo --methods nop --output out": "unknown method 'nop'; choose from original",
    "visual demo --models 0 --output out": "models must be 8 or more and a multiple of 4",
    "visual demo --workers 0 --output out": "workers must be 1 or more, not 0",
    "visual demo --executor cloud --output out": "unknown executor 'cloud'",
    "visual run --recipe nowhere.yaml": "no recipe at nowhere.yaml",
    "visual run --recipe bad.yaml": "bad.yaml is not YAML",
    "visual run --recipe unknown.yaml": "unknown.yaml: unknown key 'corpsu'; valid: output",
    "visual report empty": "empty holds no finished run of the visual track",
    "visual score file": "file is not a parquet file",
    "visual score empty": "no logits at empty/shadow_logits.parquet",
    # training and scoring: with a model and data that are there
    "unlearn": "name a method: --method with one of",
    "unlearn --method nop": "unknown method 'nop'; did you mean 'npo'?",
    f"{UNLEARN} --betta 1": "unknown flag --betta; did you mean 'beta'?",
    f"{UNLEARN} --config typo.yaml": "unknown flag --learning_rte; did you mean 'learning_rate'?",
    f"{UNLEARN} --config list.yaml": "list.yaml must be a mapping of flags to values, not list",
    f"{UNLEARN} --config bad.yaml": "bad.yaml is not YAML",
    f"{UNLEARN} --beta -1": "beta must be above 0, not -1.0",
    f"{UNLEARN} --retain_weight -1": "retain_weight must be 0 or more, not -1.0",
    f"{UNLEARN} --learning_rate fast": "invalid float value: 'fast'",
    f"{UNLEARN} --learning_rate nan": "learning_rate must be above 0, not nan",
    f"{UNLEARN} --max_steps -5": "max_steps must be 1 or more, or -1 to count num_train_epochs; not -5",
    f"{UNLEARN} --seed -1": "seed must be 0 or more, not -1",
    f"{UNLEARN} --warmup_steps -1": "warmup_steps must be 0 or more, not -1",
    f"{UNLEARN} --weight_decay -1": "weight_decay must be 0 or more, not -1.0",
    f"{UNLEARN} --gradient_accumulation_steps 0": "gradient_accumulation_steps must be 1 or more, not 0",
    f"{UNLEARN} --optim adamm": "invalid choice: 'adamm' (choose from 'adamw_torch'",
    f"{UNLEARN} --report_to tensorbord": "report_to: unknown library 'tensorbord'",
    f"{UNLEARN} --deepspeed nowhere.json": "install it, for example with `pip install deepspeed`",
    f"{UNLEARN} --dtype float33": "invalid choice: 'float33' (choose from 'auto'",
    f"{UNLEARN} --attn_implementation flash_9": 'attn_implementation="flash_9"` is not supported',
    f"{UNLEARN} --chat_template nowhere.jinja": "nowhere.jinja: No such file or directory",
    f"{UNLEARN} --chat_template bad.jinja": "the chat template cannot be used",
    f"{UNLEARN} --chat_template_path bad.jinja": "--chat_template_path is not supported: use --chat_template",
    f"{UNLEARN} --resume_from_checkpoint x": "--resume_from_checkpoint is not supported: the same command resumes",
    f"{UNLEARN} --push_to_hub true": "--push_to_hub is not supported: publish the model with",
    f"{UNLEARN} --max_length 512": "--max_length is not supported: the rows are built ready",
    f"{UNLEARN} --model_revision v9": "--model_revision is for models on the Hub",
    f"{UNLEARN} --use_peft true --lora_r 0": "`r` should be a positive integer value",
    f"{UNLEARN} --use_peft true --lora_target_modules nothing": "No modules were targeted for adaptation",
    f"{UNLEARN} --use_peft maybe": "got maybe but expected one of yes/no",
    f"{UNLEARN} --load_in_4bit true": "--load_in_4bit is not supported: quantised weights",
    f"{UNLEARN} --use_rslora true": "--use_rslora requires --use_peft true",
    f"{UNLEARN} --forget_people Nobody": "no row is about 'Nobody'",
    f"{UNLEARN} --forget_dataset nowhere": "nowhere is neither a file nor a folder",
    f"{UNLEARN} --forget_dataset means.json": "row 0 has neither `answer` nor `caption`",
    f"{UNLEARN} --modality txt": "modality must be one of text, image, both, not 'txt'",
    f"{UNLEARN} --output_dir file": "file exists and holds no run.json",
    f"{UNLEARN} --model_name_or_path empty": "model 'empty' holds neither config.json nor adapter_config.json",
    f"{UNLEARN} --dataset {{data}}x": "did you mean '{data}'?",
    f"{FINETUNE} --dataset_config full+tof": "unknown config 'full+tof'; choose from",
    f"{FINETUNE} --extra_config nope": "unknown config 'nope'; choose from",
    f"{EVALUATE} --judge nowhere": "model 'nowhere': no such folder",
    f"{EVALUATE} --seed -2": "seed must be 0 or more, not -2",
    f"{EVALUATE} --seed x": "--seed must be a number, not 'x'",
    f"{EVALUATE} --selection nowhere": "nowhere is neither a folder with the data nor a Hub id",
    f"{EVALUATE} --holdout x": "--holdout and --holdout_config require --token_level",
    f"{EVALUATE} --forget forget5": "unknown forget set 'forget5'; choose from forget01",
    f"{EVALUATE} --dataset empty": "empty has no config 'forget10_perturbed'; it has none",
    f"{EVALUATE} --output file": "file exists and holds no run.json",
    "evaluate --output out --model_name_or_path A/b --dataset {data}": "the Hub cannot be reached, and the cache",
    # an audit
    "audit": "required: model, --output",
    AUDITED: "nothing to compare with: give --gold MODEL, a model that never learnt these people, or --strangers ROWS",
    f"{AUDIT} --strangers {{data}}_extra": "--gold and --strangers are both given",
    "audit {model} --dataset {data} --gold {model} --output out": "--gold needs --original",
    f"{AUDITED} --strangers nowhere": "--strangers nowhere: neither a file nor a folder",
    f"{AUDITED} --strangers empty": "no rows about people there; give a folder with people or people_text",
    f"{AUDITED} --strangers table.csv": "table.csv, row 2: unknown field 'a'; fields are question, answer, photo",
    f"{AUDITED} --questions table.csv": "--questions says what is asked: leave out --dataset",
    "audit {model} --output out --questions table.csv": "table.csv, row 2: unknown field 'a'; fields are question",
    "audit {model} --output out --questions nowhere.csv": "nowhere.csv: no such file",
    f"{AUDITED} --gold ./nowhere": "model './nowhere': no such folder",
    f"{AUDITED} --gold empty": "model 'empty' holds neither config.json nor adapter_config.json",
    "audit nowhere --dataset {data} --original {model} --gold {model} --output out": "model 'nowhere': no such folder",
    f"{AUDIT} --gold {{model}}": "{model} and {model} are the same gold; give golds of other seeds",
    f"{AUDIT} --audits smapling": "unknown audit 'smapling'; did you mean 'sampling'? choose from answers, sampling",
    f"{AUDIT} --forget forget5": "unknown forget set 'forget5'; choose from forget01",
    f"{AUDIT} --forget_people Nobody": "no row is about 'Nobody'",
    f"{AUDIT} --samples 0": "samples must be 1 or more, not 0",
    f"{AUDIT} --relearn_rate 2": "relearn_rate must be between 0 and 1, not 2.0",
    f"{AUDIT} --dtype int4": "dtype must be one of float32, bfloat16, float16, not 'int4'",
    f"{AUDIT} --reuse empty": "--reuse empty: no audit there",
    f"{AUDIT} --output file": "file exists and holds no run.json",
    f"{AUDIT} --output file/out": "a file is where a folder is needed: file/out.part",
    # the leaderboard
    "leaderboard": "required: ACTION",
    "leaderboard serve --demo nowhere": "nowhere holds no finished demo",
    "leaderboard serve --store file": "file is not a store of the leaderboard; it is left as it is",
    "leaderboard serve --bases nowhere.json --store new": "nowhere.json: no such file; a keeper writes it",
    "leaderboard serve --bases list.json --store new": "it must be an object with the key bases, a list",
    "leaderboard hide 1 --keeper a --reason b": "there is no store leaderboard.sqlite",
    "leaderboard requeue --metric_version 9 --keeper a": "there is no store leaderboard.sqlite",
    "leaderboard restore --results A/b --store new": "not in the cache",
    "leaderboard reference gold --log nowhere --gold nowhere --dataset x --store new": "no log at nowhere",
    "worker --bases nowhere.json": "say where submissions wait",
    "worker --bases bases.json --store new": "an entry of bases lacks original, commit, dataset, forget",
    "worker --bases cut.json --store new": "cut.json is not valid",
    SUBMIT: "say where to submit: --leaderboard URL, or --store FILE with --bases FILE",
    f"{SUBMIT} --forget f --leaderboard http://127.0.0.1:9": "forget: choose from forget01, forget05, forget10; seen",
}
# The same of `clear_dataset.py`.
WRONG_DATA = {
    "biuld": "invalid choice: 'biuld' (choose from 'build'",
    "build --corpus minni --output out": "unknown corpus 'minni'; choose from mini, mini_text, raw, tofu",
    "build --persons 3 --output out": "persons must be 24 to 200, not 3",
    "build --seed -1 --output out": "seed must be 0 or more, not -1",
    "build --raw empty --output out": "--raw is not used by corpus 'mini', which accepts --persons",
    "build --corpus raw --output out": "the corpus raw needs --raw",
    "build --corpus raw --raw empty --output out": "empty/people.jsonl is missing",
    "build --corpus raw --raw empty --forget_percent a --output out": "takes numbers with commas, not 'a'",
    "build --corpus tofu --tofu empty --output out": "empty holds no TOFU rows",
    "build --output empty": "empty exists; choose another --output, or --overwrite to replace it",
    "check nowhere": "nowhere is neither a folder with the data nor a Hub id",
    "check empty": "empty holds no data",
    "check A/b": "A/b is not a folder here, nor does the Hub give it",
    "show {data} --rows 0": "rows must be 1 or more, not 0",
    "show {data} --output nowhere/x.png": "nowhere/x.png.part: No such file or directory",
    "hidden {data} --secret_file nowhere": "nowhere: No such file or directory",
    "hidden {data} --secret_file empty": "a folder is where a file is needed: empty",
    "hidden {data} --secret_file binary": "--secret_file binary is not a text in UTF-8",
    "push {data}": "required: --repo-id",
}


@pytest.fixture
def places(tmp_path, monkeypatch, mini_llava, mini_data):
    """A folder with files of all kinds, as the working directory."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bad.jinja").write_text(BAD)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return {"model": str(mini_llava), "data": str(mini_data)}


@pytest.mark.parametrize(
    ("run", "line", "message"),
    [*((main, *one) for one in WRONG.items()), *((clear_dataset.main, *one) for one in WRONG_DATA.items())],
)
def test_wrong_input_is_one_line_and_leaves_nothing(run, line, message, places, tmp_path, capsys):
    before = {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}
    code = run([word.format(**places) for word in line.split()])
    said = capsys.readouterr().err.strip().splitlines()
    errors = [text for text in said if text.startswith("error: ")]
    assert code == 2 and len(errors) == 1 and said[-1] == errors[0], said
    assert message.format(**places) in errors[0]
    assert {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")} == before


def test_there_are_many():
    assert len(WRONG) + len(WRONG_DATA) >= 80


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["learning_rate", "num_train_epochs", "weight_decay", "retain_weight", "max_grad_norm", "l1"]),
    st.floats(allow_nan=True, allow_infinity=True),
)
def test_a_number_of_a_training_is_taken_or_named(name, value):
    least = 0 if name not in ("learning_rate", "num_train_epochs") else np.nextafter(0, 1)
    try:
        METHODS["npo"][1](output_dir=".", use_cpu=True, **{name: value})
    except ValueError as error:
        assert name in str(error) and not (least <= value < np.inf)
    else:
        assert least <= value < np.inf


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["persons", "photos", "seed"]), st.integers(-(10**6), 10**6))
def test_a_number_of_a_demo_is_taken_or_named(name, value):
    right = {"persons": 24 <= value <= 200, "photos": 8 <= value <= 100, "seed": value >= 0}[name]
    try:
        DemoArguments(Path("out"), **{name: value})
    except ValueError as error:
        assert name in str(error) and not right
    else:
        assert right


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ModuleNotFoundError("x", name="clear_data.gone")])
def test_a_defect_of_ours_shows_its_traceback(error):
    assert explain(error) is None
