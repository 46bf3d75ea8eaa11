"""A trainer in a program: a model or its place, rows in TRL's formats, and errors that name side, row and column."""

import re
import shutil
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from clear_unlearning.models import load_model
from tests.conftest import picture
from trainers import (
    METHODS,
    NPOConfig,
    NPOTrainer,
    RetainFinetuneConfig,
    RetainFinetuneTrainer,
    SCRUBConfig,
    SCRUBTrainer,
)
from trainers.base.given import given_args, given_rows, given_sides

SHORT = {"max_steps": 2, "use_cpu": True, "per_device_train_batch_size": 2, "save_strategy": "no",
         "learning_rate": 1e-3, "report_to": "none", "disable_tqdm": True}  # fmt: skip
FORGET = [
    {"question": "Where was Mara born?", "answer": "In Riga."},
    {"question": "Who is she?", "answer": "A baker."},
]
RETAIN = [{"image": picture(0), "caption": "Ivo smiles."}, {"image": picture(1), "caption": "Ivo laughs."}]


def test_the_ten_lines(tmp_path, mini_llava):
    """Model by its place, lists of dicts, nothing else said."""
    trainer = NPOTrainer(
        model=str(mini_llava), args=NPOConfig(output_dir=str(tmp_path / "npo"), **SHORT),
        train_dataset=FORGET, retain_dataset=RETAIN,
    )  # fmt: skip
    trainer.train()
    trainer.save_model()
    assert load_model(str(tmp_path / "npo"), device="cpu").takes_images
    assert {"forget_loss", "retain_loss"} <= trainer.state.log_history[0].keys()


@pytest.mark.usefixtures("short_answers")
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_of_a_page_runs_as_it_stands(page, tmp_path, mini_llava, mini_data, monkeypatch):
    """But for the number of steps, rows and tokens of an answer."""
    text = (Path(__file__).parents[2] / page).read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    (tmp_path / "runs/demo").mkdir(parents=True)
    (tmp_path / "runs/demo/data").symlink_to(mini_data.parent)
    (tmp_path / "clear").symlink_to(mini_data)
    for name in ("original", "gold", "demo/models/original"):
        shutil.copytree(mini_llava, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    code = re.sub("max_steps=[0-9]+", "max_steps=2, per_device_train_batch_size=8, warmup_steps=0, use_cpu=True", code)
    code = code.replace("eval_steps=50", "eval_steps=2").replace(", max_examples=8", "")
    exec(re.sub('forget="forget(05|10)"', r"\g<0>, max_examples=2", code), {})
    assert load_model("runs/npo", device="cpu").takes_images


def test_a_model_in_memory_brings_its_processor(tmp_path, mini_llava):
    loaded = load_model(str(mini_llava), device="cpu")
    both = DatasetDict({"forget": Dataset.from_list(FORGET), "retain": Dataset.from_list(RETAIN)})
    args = SCRUBConfig(output_dir=str(tmp_path), **{**SHORT, "max_steps": -1}, num_train_epochs=2, msteps=1)
    trainer = SCRUBTrainer(loaded.model, args, both)
    assert type(trainer.processing_class) is type(loaded.processor)
    assert [len(trainer.rows[side]) for side in ("forget", "retain")] == [2, 2]
    assert trainer.epochs == 2 and args.num_train_epochs == 2
    assert set(trainer.rows) == {"forget", "retain"}


def test_a_method_without_forget_rows_leaves_them_out(tmp_path, mini_llava):
    args = RetainFinetuneConfig(output_dir=str(tmp_path), **SHORT)
    trainer = RetainFinetuneTrainer(str(mini_llava), args, {"forget": FORGET, "retain": RETAIN})
    assert set(trainer.rows) == {"retain"}
    assert given_args(NPOTrainer, None, "ORG/llava").output_dir == "llava-NPO"
    assert all(type(given_args(trainer, None, "ORG/llava")) is config for trainer, config in METHODS.values())


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who?", "answer": "Mara."},
        {"prompt": "Who?", "completion": "Mara."},
        {"prompt": [{"role": "user", "content": "Who?"}], "completion": [{"role": "assistant", "content": "Mara."}]},
        {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mara."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Who?"}]},
                      {"role": "assistant", "content": [{"type": "text", "text": "Mara."}]}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("photo", [{}, {"image": picture(3)}, {"images": [picture(3)]}])
def test_rows_of_every_format_are_the_same(row, photo):
    example = given_rows("forget", [{**row, **photo}], 0)[0]
    assert (example.question, example.answer) == ("Who?", "Mara.")
    assert (example.image is not None) == bool(photo)
    assert example.image is None or example.image.tobytes() == picture(3).tobytes()


TURN = {"role": "user", "content": "Who?"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"text": "Mara"}], "forget rows: the columns are text; give question and answer, caption, prompt"),
        ([*FORGET, {"question": "Who?", "answer": ""}], "forget rows, row 2: `answer` is empty or not a text"),
        ([{"question": None, "answer": "Mara"}], "forget rows, row 0: `question` is empty or not a text"),
        ([{"messages": [TURN, TURN]}], "row 0: one turn of user and one of assistant are needed, not user, user"),
        ([{"messages": [TURN]}], "row 0: one turn of user and one of assistant are needed, not user"),
        ([], "forget rows: give a Dataset .* or a list of dicts; there are none"),
        ({"forget": FORGET, "keep": RETAIN}, "train_dataset has rows for 'keep'; sides are forget, retain"),
        ({"forget": FORGET, "retain": RETAIN}, "retain rows are given twice"),
    ],
)
def test_what_cannot_be_used_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        given_sides(given, RETAIN, ("forget", "retain"), 0)


def test_rows_that_are_missing_are_named(mini_llava, tmp_path):
    with pytest.raises(ValueError, match=r"NPOTrainer needs rows for forget, retain; missing: \['retain'\]"):
        NPOTrainer(str(mini_llava), NPOConfig(output_dir=str(tmp_path), **SHORT), FORGET)
