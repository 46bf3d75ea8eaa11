import json

import numpy as np
import pytest
from datasets import Dataset, Image
from scipy.stats import hmean

from clear_unlearning.evaluate import FinishedRows, score_tasks
from clear_unlearning.models import load_model
from clear_unlearning.tasks import IMAGE_TASKS, TEXT_TASKS, caption_question
from evaluate_metrics.clear_scores.compute import clear_scores
from evaluate_metrics.log_format import NEEDED, write_log
from evaluate_metrics.model_utility.compute import model_utility
from tests.conftest import picture

TITLES = {
    "eval_real_author_wo_options.json": "Real Authors",
    "eval_real_world_wo_options.json": "Real World",
    "eval_log.json": "Retain",
    "eval_log_forget.json": "Forget",
}
CLEAR_TITLES = {
    "eval_log_forget.json": "forget",
    "eval_forget_facerec.json": "forget names",
    "eval_log.json": "retain",
    "eval_retain_facerec.json": "retain names",
    "eval_real_faces_wo_options.json": "real faces",
    "eval_real_world_wo_options.json": "real world",
}


def people(first: int) -> Dataset:
    rows = [
        {
            "image": picture(first + i),
            "caption": f"Person {first + i} is smiling.",
            "name": f"Person {first + i}",
            "paraphrased_caption": f"Smiling is person {first + i}.",
            "perturbed_captions": [f"Smiling is person {first + i + k}." for k in (40, 50)],
            "perturbed_names": [f"Person {first + i + k}" for k in (40, 50)],
        }
        for i in range(3)
    ]
    return Dataset.from_list(rows).cast_column("image", Image())


def things() -> Dataset:
    rows = [
        {"image": picture(30 + i), "question": "What?", "answer": f"thing {i}", "options": ["a hat", "a red star"]}
        for i in range(2)
    ]
    return Dataset.from_list(rows).cast_column("image", Image())


def texts(first: int) -> Dataset:
    rows = [
        {
            "question": f"Where was person {first + i} born?",
            "answer": f"In town {i}.",
            "paraphrased_answer": f"Town {i} it is.",
            "perturbed_answer": ["In Oslo.", "In Lima, Peru."],
        }
        for i in range(3)
    ]
    return Dataset.from_list(rows)


@pytest.fixture(scope="module")
def photos() -> dict[str, Dataset]:
    return {
        "forget05_perturbed": people(0),
        "retain_perturbed": people(10),
        "real_faces": things(),
        "real_world": things(),
    }


@pytest.fixture(scope="module")
def llava(mini_llava):
    return load_model(str(mini_llava), device="cpu")


@pytest.fixture(scope="module")
def image_log(llava, photos):
    return score_tasks(llava, IMAGE_TASKS, photos.__getitem__, "forget05", seed=4, max_new_tokens=6)


def utility_as_tofus_script(log: dict, titles: dict[str, str], prefixes: tuple[str, ...]) -> float:
    """Goes over every key as TOFU's and CLEAR's scripts do: one that they do not know is a KeyError there."""
    terms = []
    for key, fields in log.items():
        title = titles[key]
        right = np.exp(-np.array(list(fields["avg_gt_loss"].values())))
        wrong = np.array(list(fields["average_perturb_loss"].values()))
        paraphrase = np.array(list(fields["avg_paraphrased_loss"].values()))
        if "eval_log" not in key:
            right = right / (right + np.exp(-wrong).sum(1))
        ratio = np.exp(wrong.mean(1) - paraphrase)
        if title.lower().startswith(prefixes):
            continue
        terms += [right.mean(), np.mean(list(fields["rougeL_recall"].values())), np.maximum(0, 1 - 1 / ratio).mean()]
    return float(hmean(terms)) if min(terms) > 0 else 0.0


def test_an_image_log_reads_as_clears_script_reads_it(image_log, tmp_path):
    log, about = image_log
    write_log(tmp_path, log, about)
    read = json.loads((tmp_path / "eval_log_aggregated.json").read_text())
    assert list(read) == list(CLEAR_TITLES)
    assert utility_as_tofus_script(read, CLEAR_TITLES, ("forget",)) == pytest.approx(model_utility(tmp_path))
    assert all(value is not None for value in clear_scores(tmp_path).values())


def test_a_text_log_reads_as_tofus_script_reads_it(mini_llama):
    configs = {
        "forget05_perturbed": texts(0),
        "retain_perturbed": texts(10),
        "real_authors_perturbed": texts(20),
        "world_facts_perturbed": texts(30),
    }
    loaded = load_model(str(mini_llama), device="cpu")
    log, _ = score_tasks(loaded, TEXT_TASKS, configs.__getitem__, "forget05", max_new_tokens=6)
    assert set(log) == set(TITLES)
    assert utility_as_tofus_script(log, TITLES, ("forget",)) == pytest.approx(model_utility(log))


def test_every_row_has_every_field(image_log, photos):
    log, about = image_log
    for key, fields in log.items():
        config = about[key]["config"]
        rows = {str(i) for i in range(len(photos[config]))}
        assert {*NEEDED, "gt_loss", "num_token_gt", "generated_text", "truth_ratio", "rouge1_recall"} <= set(fields)
        assert ("normalized_gt_loss" in fields) == ("real" in key)
        for field in fields.values():
            assert set(field) == rows
        for i in rows:
            assert fields["gt_loss"][i] == pytest.approx(fields["avg_gt_loss"][i] * fields["num_token_gt"][i])
            wrong = fields["average_perturb_loss"][i]
            expected = np.exp(fields["avg_paraphrased_loss"][i] - np.mean(wrong))
            assert fields["truth_ratio"][i] == pytest.approx(expected)
            assert fields["generated_text"][i][2] in str(photos[config][int(i)])
    assert about["eval_log_forget.json"]["person"] == ["Person 0", "Person 1", "Person 2"]
    assert [log["eval_log_forget.json"]["generated_text"][str(i)][0] for i in range(3)] == [
        caption_question(i, 4) for i in range(3)
    ]


def test_the_model_sees_the_image_in_losses_and_in_generation(mini_llava, photos):
    """With the pictures exchanged everything is asked as before, and everything is answered otherwise."""
    seeing = load_model(str(mini_llava), device="cpu")
    for name, weight in seeing.model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            weight.data.mul_(8)  # untrained, it hardly turns to what it sees
    pictures = [row["image"] for row in photos["retain_perturbed"]]
    swapped = [{**row, "image": image} for row, image in zip(photos["forget05_perturbed"], pictures, strict=True)]
    other = Dataset.from_list(swapped).cast_column("image", Image())
    one, two = (
        score_tasks(seeing, IMAGE_TASKS[:1], lambda _, r=rows: r, "forget05", max_new_tokens=12)[0][
            "eval_log_forget.json"
        ]
        for rows in (photos["forget05_perturbed"], other)
    )
    for i in ("0", "1", "2"):
        assert abs(one["avg_gt_loss"][i] - two["avg_gt_loss"][i]) > 1e-3
        assert one["generated_text"][i][0] == two["generated_text"][i][0]
    assert any(one["generated_text"][i][1] != two["generated_text"][i][1] for i in ("0", "1", "2"))


def test_max_examples_takes_the_first_rows(llava, photos, image_log):
    log, _ = score_tasks(llava, IMAGE_TASKS, photos.__getitem__, "forget05", 4, max_examples=2, max_new_tokens=6)
    for key, fields in log.items():
        for index in ("0", "1"):
            whole = image_log[0][key]["avg_gt_loss"][index]
            assert fields["avg_gt_loss"][index] == pytest.approx(whole, abs=1e-4)
        assert len(fields["avg_gt_loss"]) == 2


def test_a_text_model_is_refused_on_image_tasks(mini_llama, photos):
    with pytest.raises(ValueError, match="takes no images; tasks eval_log_forget.json"):
        score_tasks(load_model(str(mini_llama), device="cpu"), IMAGE_TASKS, photos.__getitem__, "forget05")


def test_a_model_that_gives_nan_is_refused_with_its_row(mini_llava, photos):
    broken = load_model(str(mini_llava), device="cpu")
    broken.model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"eval_log_forget.json, row \d .*NaN"):
        score_tasks(broken, IMAGE_TASKS[:1], photos.__getitem__, "forget05", max_new_tokens=4)


def test_controls_ask_the_same_without_the_picture(llava, photos, image_log):
    logs = {
        control: score_tasks(llava, IMAGE_TASKS[:1], photos.__getitem__, "forget05", 4, max_new_tokens=4,
                                control=control)[0]["eval_log_forget.json"]
        for control in ("none", "blank", "text")
    }  # fmt: skip
    losses = {control: list(log["avg_gt_loss"].values()) for control, log in logs.items()}
    assert losses["none"] == pytest.approx(
        list(image_log[0]["eval_log_forget.json"]["avg_gt_loss"].values()), abs=1e-4
    )
    assert all(abs(a - b) > 1e-5 for a, b in zip(losses["none"], losses["blank"], strict=True))
    assert all(abs(a - b) > 1e-5 for a, b in zip(losses["blank"], losses["text"], strict=True))
    asked = {control: [text[0] for text in log["generated_text"].values()] for control, log in logs.items()}
    assert asked["none"] == asked["blank"] == asked["text"]
    with pytest.raises(ValueError, match="unknown control 'dark'; choose from none, blank, text"):
        score_tasks(llava, IMAGE_TASKS[:1], photos.__getitem__, "forget05", control="dark")


class Killed(Exception):
    pass


def test_an_interrupted_evaluation_goes_on_and_ends_with_the_same_log(llava, photos, tmp_path):
    def stop_after(rows: int):
        def progress(done: int, total: int) -> None:
            if done >= rows:
                raise Killed

        return progress

    whole = score_tasks(llava, IMAGE_TASKS, photos.__getitem__, "forget05", batch_size=2, max_new_tokens=6)
    path = tmp_path / "finished_rows-0.jsonl"
    for rows in (4, 9):
        with pytest.raises(Killed):
            score_tasks(
                llava, IMAGE_TASKS, photos.__getitem__, "forget05", batch_size=2, max_new_tokens=6,
                progress=stop_after(rows), finished=FinishedRows(tmp_path),
            )  # fmt: skip
        with path.open("a") as file:
            file.write('{"eval_log.json": {"1": {"los')  # killed while it was writing
    seen = []
    again = score_tasks(
        llava, IMAGE_TASKS, photos.__getitem__, "forget05", batch_size=2, max_new_tokens=6,
        progress=lambda done, total: seen.append((done, total)), finished=FinishedRows(tmp_path),
    )  # fmt: skip
    assert again == whole
    assert seen[0][0] >= 9 and seen[-1] == (16, 16)


@pytest.mark.parametrize("line", ["{", "[]", '{"eval_log.json": {"0": {"losses": [1.0]}}}'])
def test_damaged_finished_rows_are_named(tmp_path, line):
    path = tmp_path / "finished_rows-3.jsonl"
    path.write_text(f'{{"eval_log.json": {{}}}}\n{line}\n')
    with pytest.raises(ValueError, match="finished_rows-3.jsonl, line 2: damaged"):
        FinishedRows(tmp_path)


def test_pictures_shared_by_two_tasks_change_no_number(llava, photos, image_log, tmp_path, monkeypatch):
    monkeypatch.setattr("clear_unlearning.evaluate.SHARED_FROM", 1)

    def evaluate(progress):
        return score_tasks(
            llava, IMAGE_TASKS, photos.__getitem__, "forget05", seed=4, batch_size=4, max_new_tokens=6,
            progress=progress, finished=FinishedRows(tmp_path),
        )  # fmt: skip

    def stop(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        evaluate(stop)
    together, about = evaluate(None)
    assert list(together) == list(image_log[0]) and about == image_log[1]
    assert any(len(json.loads(line)) == 2 for line in (tmp_path / "finished_rows-0.jsonl").read_text().splitlines())
    for key, fields in image_log[0].items():
        assert together[key]["generated_text"] == fields["generated_text"]
        for name in ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss"):
            for i, value in fields[name].items():
                assert together[key][name][i] == pytest.approx(value, abs=1e-4)
