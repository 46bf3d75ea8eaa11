"""General abilities: lm-eval itself on tiny tasks and models, against log-likelihoods computed here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, Value
from peft import LoraConfig, PeftModel, get_peft_model
from scipy.stats import norm, t
from transformers import AutoModelForCausalLM, AutoTokenizer

from clear_pipeline.abilities import AbilitiesJob, abilities
from clear_pipeline.cli import main
from clear_unlearning.models import load_model
from tests.conftest import picture

CHOICES = ["red", "a blue circle", "shirt", "Mara Torgard"]
TASK = """
task: {name}
dataset_path: {kind}
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: {output}
doc_to_text: "{text}"
doc_to_target: answer
{more}
metric_list:
  - metric: {metric}
    aggregation: mean
    higher_is_better: true
"""
GROUP = """
group: {name}
task: [tiny, short]
aggregate_metric_list:
  - metric: acc
    aggregation: mean
    weight_by_size: {by_size}
"""


def rows(count: int, start: int = 0) -> list[dict]:
    return [
        {"question": f"Who is number {n}?", "choices": CHOICES, "answer": n * n // 3 % 4}
        for n in range(start, start + count)
    ]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Path:
    """Two tasks of choices, of 24 and of 8 samples, two groups of both, and one about photos that has no rows yet."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, content in (("tiny", rows(24)), ("short", rows(8, 100))):
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in content))
        text = TASK.format(name=name, kind="json", file=file, output="multiple_choice", text="{{question}}",
                           more="doc_to_choice: choices", metric="acc")  # fmt: skip
        (folder / f"{name}.yaml").write_text(text)
    for name, by_size in (("pooled", "true"), ("by_task", "false")):
        (folder / f"{name}.yaml").write_text(GROUP.format(name=name, by_size=by_size))
    more = "doc_to_image: [photo]\ngeneration_kwargs:\n  until: ['</s>']\n  max_gen_toks: 4"
    text = TASK.format(name="photos", kind="parquet", file=folder / "photos.parquet", output="generate_until",
                       text="<image>Who is it, {{number}}?", more=more, metric="exact_match")  # fmt: skip
    (folder / "photos.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory, mini_llama) -> Path:
    """An adapter that changes answers."""
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(3)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(mini_llama), LoraConfig(r=4, target_modules=["v_proj"])
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder)
    about = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**about, "base_model_name_or_path": str(mini_llama)}))
    return folder


@torch.inference_mode()
def right(model, tokenizer, asked: list[dict]) -> list[float]:
    """1 where the true choice has the highest log-likelihood."""
    found = []
    for row in asked:
        head, sums = tokenizer(row["question"])["input_ids"], []
        for choice in row["choices"]:
            ids = tokenizer(f"{row['question']} {choice}")["input_ids"]
            log_probs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            sums.append(sum(log_probs[i - 1, ids[i]].item() for i in range(len(head), len(ids))))
        found.append(float(np.argmax(sums) == row["answer"]))
    return found


@pytest.fixture(scope="module")
def by_hand(mini_llama, adapter) -> dict[str, list[float]]:
    """Scores of all 32 samples, of the base and of the base with its adapter, which is not merged here."""
    tokenizer = AutoTokenizer.from_pretrained(mini_llama)
    base = AutoModelForCausalLM.from_pretrained(mini_llama)
    asked = [*rows(24), *rows(8, 100)]
    found = {"original": right(base, tokenizer, asked)}
    found["model"] = right(PeftModel.from_pretrained(base, adapter).eval(), tokenizer, asked)
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory, mini_llama, adapter, tasks) -> AbilitiesJob:
    """An adapter beside its base, interrupted once."""
    models = {"model": str(adapter), "original": str(mini_llama)}
    folder = tmp_path_factory.mktemp("done") / "out"
    job = AbilitiesJob(folder, models, ["tiny", "pooled", "by_task"], include_path=tasks)

    def stop(finished: int, total: int) -> None:
        assert total == 6
        if finished == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        abilities(job, stop)
    assert not job.folder.exists()
    before = {file.name: file.stat().st_mtime_ns for file in (job.folder.parent / "out.part" / "answers").iterdir()}
    assert len(before) == 4
    abilities(job)
    after = {file.name: file.stat().st_mtime_ns for file in (job.folder / "answers").iterdir()}
    assert len(after) == 6 and {name: after[name] for name in before} == before
    return job


def test_scores_are_those_of_plain_torch_with_the_adapter_merged(done, by_hand):
    assert by_hand["model"] != by_hand["original"]  # the adapter changes answers
    content = json.loads((done.folder / "abilities.json").read_text())
    row = content["tasks"]["tiny"]["metrics"]["acc,none"]
    for role, values in by_hand.items():
        said = json.loads((done.folder / "answers" / f"tiny-{role}.json").read_text())["samples"]["tiny"]
        assert [one["acc"] for one in said] == values[:24]
        assert row["scores"][role] == pytest.approx(np.mean(values[:24]))
    assert row["samples"] == 24 and row["higher_is_better"] is True
    gaps = np.subtract(by_hand["model"], by_hand["original"])[:24]
    low, high = row["against"]["original"]["interval"]
    assert row["against"]["original"]["difference"] == pytest.approx(gaps.mean())
    # The bootstrap's variance is known: that of the gaps over their number.
    half = norm.ppf(norm.cdf(np.sqrt(24 / 23) * t.ppf(0.975, 23))) * gaps.std() / np.sqrt(24)
    assert (low, high) == pytest.approx((gaps.mean() - half, gaps.mean() + half), abs=0.05)


def test_a_group_is_pooled_where_it_is_weighted_by_size(done, by_hand):
    content = json.loads((done.folder / "abilities.json").read_text())["tasks"]
    pooled, by_task = (content[name]["metrics"]["acc,none"] for name in ("pooled", "by_task"))
    assert pooled["samples"] == by_task["samples"] == 32
    assert pooled["scores"]["model"] == pytest.approx(np.mean(by_hand["model"]))
    gap = np.mean(by_hand["model"]) - np.mean(by_hand["original"])
    low, high = pooled["against"]["original"]["interval"]
    assert pooled["against"]["original"]["difference"] == pytest.approx(gap) and low <= gap <= high
    values = by_hand["model"]
    assert by_task["scores"]["model"] == pytest.approx((np.mean(values[:24]) + np.mean(values[24:])) / 2)
    assert by_task["against"]["original"]["interval"] is None
    assert (content["short"]["part_of"], content["pooled"]["part_of"]) == ("by_task", None)


def test_the_command_asks_the_first_samples_and_reuses_what_is_known(tmp_path, mini_llama, tasks, by_hand, capsys):
    words = ["--tasks", "tiny", "--limit", "7", "--include_path", str(tasks)]
    assert main(["abilities", str(mini_llama), *words, "--output", str(tmp_path / "one")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"abilities: {tmp_path / 'one' / 'abilities.json'}" and "tiny" in out
    row = json.loads((tmp_path / "one" / "abilities.json").read_text())["tasks"]["tiny"]["metrics"]["acc,none"]
    assert (row["samples"], row["scores"]["model"]) == (7, pytest.approx(np.mean(by_hand["original"][:7])))
    file = tmp_path / "one" / "answers" / "tiny-model.json"
    file.write_text(file.read_text().replace('"acc": 0.0', '"acc": 0.5'))  # to see whether it is taken from there
    again = ["--gold", str(mini_llama), "--reuse", str(tmp_path / "one"), "--output", str(tmp_path / "two")]
    assert main(["abilities", str(mini_llama), *words, *again]) == 0
    known = [json.loads(path.read_text()) for path in (tmp_path / "two" / "answers").iterdir()]
    assert len(known) == 2 and known[0] == known[1] == json.loads(file.read_text())
    assert "0.5" in str(known[0]["samples"])


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--tasks", "tyny"], "lm-eval has no task 'tyny'; did you mean 'tiny'?; "),
        (["--tasks", "nothing-like-it"], "has by_task, photos, pooled, short, tiny; `lm-eval ls tasks` lists all"),
        (["--tasks", ","], "--tasks names no task"),
        (["--tasks", "tiny", "--limit", "0"], "limit must be 1 or more, not 0"),
        (["--tasks", "tiny", "--original", "nowhere/at/all"], "no such folder"),
        (["--tasks", "tiny", "--reuse", "nowhere"], "no answers of `clear-unlearning abilities` there"),
    ],
)
def test_a_mistake_is_named(tmp_path, mini_llama, tasks, more, error, capsys):
    words = ["abilities", str(mini_llama), "--include_path", str(tasks), "--output", str(tmp_path / "out"), *more]
    assert main(words) == 2
    assert error in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_the_library_one_sentence_says_what_to_install(tmp_path, mini_llama, monkeypatch, capsys):
    monkeypatch.setattr("clear_pipeline.commands.abilities.find_spec", lambda name: None)
    assert main(["abilities", str(mini_llama), "--tasks", "mmlu", "--output", str(tmp_path / "out")]) == 2
    assert "abilities requires lm-eval: pip install 'clear-unlearning[utility]'" in capsys.readouterr().err


def test_a_model_in_the_wrong_role_is_named(tmp_path, mini_llama, tasks):
    wrong = tmp_path / "wrong"
    load_model(str(mini_llama)).model.save_pretrained(wrong)
    about = {"base_model": None, "role": "unlearned", "trained_on": None, "forgotten": "forget10", "training_seed": 0}
    (wrong / "run.json").write_text(json.dumps({"settings": {}, "lineage": about}))
    job = AbilitiesJob(tmp_path / "out", {"model": str(mini_llama), "gold": str(wrong)}, ["tiny"], include_path=tasks)
    with pytest.raises(ValueError, match="is given as gold, and its run says that it is unlearned"):
        abilities(job)


@torch.inference_mode()
def test_a_model_that_takes_images_is_asked_about_photos_and_texts(tmp_path, mini_llava, mini_llama, tasks, capsys):
    loaded = load_model(str(mini_llava))
    photos, said = [picture(number) for number in range(6)], []
    for number, photo in enumerate(photos):
        prompt = loaded.processor(text=f"<image>Who is it, {number}?", images=photo, return_tensors="pt")
        tokens = loaded.model.generate(**prompt, max_new_tokens=4, do_sample=False, pad_token_id=0)
        said.append(loaded.processor.tokenizer.decode(tokens[0, prompt["input_ids"].shape[1] :]))
    wanted = [*said[:4], "Nobody", "Nobody"]
    features = Features({"number": Value("int32"), "answer": Value("string"), "photo": Image()})
    content = {"number": list(range(6)), "answer": wanted, "photo": photos}
    Dataset.from_dict(content, features=features).to_parquet(tasks / "photos.parquet")
    job = AbilitiesJob(tmp_path / "out", {"model": str(mini_llava)}, ["photos", "tiny"], include_path=tasks)
    found = abilities(job)["tasks"]
    assert found["photos"]["metrics"]["exact_match,none"]["scores"]["model"] == pytest.approx(4 / 6)
    plain = right(loaded.model, loaded.processor.tokenizer, rows(24))
    assert found["tiny"]["metrics"]["acc,none"]["scores"]["model"] == pytest.approx(np.mean(plain))
    words = ["abilities", str(mini_llama), "--tasks", "photos", "--include_path", str(tasks)]
    assert main([*words, "--output", str(tmp_path / "text")]) == 2
    assert "['photos'] which require multimodal input" in capsys.readouterr().err
    assert not list(tmp_path.glob("text*"))
