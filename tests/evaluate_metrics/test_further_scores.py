"""Numbers beyond TOFU's from a log and what stands beside it, by hand; and what is said where they cannot be had."""

import copy
import io
import random

import pytest
from rich.console import Console

from clear_pipeline.report.terminal import scores_table
from evaluate_metrics.log_format import write_log
from evaluate_metrics.membership.compute import membership
from evaluate_metrics.scores import score_log
from evaluate_metrics.token_log import read_token_log, write_token_log

FORGET = "eval_log_forget.json"
TASKS = (FORGET, "eval_log.json", "eval_real_faces_wo_options.json")
PEOPLE, ROWS, TOKENS = 8, 4, 6


def fields() -> dict:
    indices = [str(i) for i in range(PEOPLE * ROWS)]
    return {
        "avg_gt_loss": dict.fromkeys(indices, 0.5),
        "avg_paraphrased_loss": dict.fromkeys(indices, 0.7),
        "average_perturb_loss": dict.fromkeys(indices, [2.0, 2.5]),
        "rougeL_recall": dict.fromkeys(indices, 0.5),
        "generated_text": {
            i: [
                "Who?",
                "I do not know." if int(i) % 4 == 0 else "so it is so it is",
                f"Person {int(i) // ROWS} is here",
            ]
            for i in indices
        },
    }


def token_rows(first: int, likely: float, dice: random.Random) -> dict:
    """Answers about PEOPLE people whose tokens have about `likely` nats, the first half of them missed."""
    indices = [str(i) for i in range(PEOPLE * ROWS)]
    return {
        "answer": {i: f"Person {first + int(i) // ROWS} is here" for i in indices},
        "person": [f"Person {first + int(i) // ROWS}" for i in indices],
        "token_log_probs": {i: [dice.gauss(likely, 0.3) for _ in range(TOKENS + 1)] for i in indices},
        "token_hits": {i: [0] * (TOKENS // 2) + [1] * (TOKENS // 2) + [0] for i in indices},
        "vocabulary_means": {i: [-2.0] * (TOKENS + 1) for i in indices},
        "vocabulary_stds": {i: [1.0] * (TOKENS + 1) for i in indices},
    }


def tokens_of(model: str) -> dict:
    """What stands beside a log: the original knows the forgotten people, gold does not."""
    dice = random.Random(model)
    rows = token_rows(10, -0.5 if model == "original" else -2.0, dice)
    losses = {str(i): [i % 2, i % 2, 1.5 + i % 2] for i in range(PEOPLE * ROWS)}
    return {
        "schema": 1,
        "tasks": {FORGET: {**rows, "judge_losses": losses}},
        "held_out": token_rows(50, -2.0, dice),
        "judge": "gold",
    }


def write(folder, content: dict | None):
    folder.mkdir()
    person = [f"Person {10 + i // ROWS}" for i in range(PEOPLE * ROWS)]
    write_log(folder, dict.fromkeys(TASKS, fields()), {"tasks": {task: {"person": person} for task in TASKS}})
    if content is not None:
        write_token_log(folder, content)
    return folder


@pytest.fixture
def logs(tmp_path):
    return {name: write(tmp_path / name, tokens_of(name)) for name in ("original", "gold")}


def test_numbers_are_those_of_the_metrics(logs):
    scores = score_log(logs["original"], logs["gold"])
    # Losses 0, 0, 1.5 and 1, 1, 2.5; one text in four is a refusal, the others repeat one trigram of four; 3 of 6
    # tokens hit, the end token, which is missed, left out.
    assert (scores["fluency"], scores["fluency_median"], scores["refusals"]) == (1.0, 0.5, 0.25)
    assert scores["repetition"] == pytest.approx(0.75 * 0.25)
    assert (scores["extraction_strength"], scores["exact_memorization"]) == (0.5, 0.5)
    inputs = read_token_log(logs["original"]).membership_inputs(FORGET)
    expected = membership(inputs.pop("predictions"), inputs.pop("references"), **inputs)
    assert scores["membership"] == {key: value for key, value in expected.items() if key != "warnings"}
    assert scores["membership"]["auc_min_k"] > 0.99
    gold_auc = score_log(logs["gold"], logs["gold"])["membership"]["auc_min_k"]
    assert 0.3 < gold_auc < 0.7
    ours, golds = 1 - scores["membership"]["auc_min_k"], 1 - gold_auc
    assert scores["privleak"] == pytest.approx(100 * (ours - golds) / golds)
    assert score_log(logs["gold"], logs["gold"])["privleak"] == 0


def test_intervals_hold_their_numbers(logs):
    scores = score_log(logs["original"], logs["gold"])
    for name in ("fluency", "fluency_median", "repetition", "refusals", "extraction_strength", "exact_memorization"):
        low, high = scores["intervals"][name]
        assert low <= scores[name] <= high
    for attack in ("loss", "zlib", "min_k", "min_k_plus_plus", "blind", "tokens"):
        low, high = scores["intervals"][f"auc_{attack}"]
        assert low <= scores["membership"][f"auc_{attack}"] <= high


def test_the_table_shows_them_and_the_notes_what_is_missing(logs, tmp_path):
    def printed(*sources):
        console = Console(file=io.StringIO(), width=200)
        console.print(scores_table(score_log(*sources)))
        return " ".join(console.file.getvalue().split())

    whole = printed(logs["original"], logs["gold"])
    for name in ("fluency", "extraction_strength", "auc_min_k", "tpr_min_k", "auc_blind", "privleak"):
        assert name in whole
    assert "32 held-out examples: 1 % false positives means none" in whole
    bare = printed(write(tmp_path / "bare", None))
    assert "evaluate again with --token_level" in bare and "evaluate again with --judge MODEL" in bare
    assert "auc_loss" not in bare


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda c: c.pop("held_out"), "no held-out people: evaluate again with --token_level --holdout DATASET"),
        (
            lambda c: c["held_out"].update({"person": ["one"] * PEOPLE * ROWS}),
            "the blind baseline needs two people on each side",
        ),
    ],
)
def test_what_cannot_be_had_is_a_note(tmp_path, change, note):
    content = tokens_of("original")
    change(content)
    scores = score_log(write(tmp_path / "log", content))
    assert scores["membership"] is None and scores["privleak"] is None
    assert scores["exact_memorization"] == 0.5
    assert any(note in line for line in scores["notes"])


def test_gold_without_tokens_or_of_other_people_gives_no_privleak(logs, tmp_path):
    other = tokens_of("gold")
    other["held_out"]["answer"] = {str(i): "somebody else" for i in range(PEOPLE * ROWS)}
    for name, content, note in (("bare", None, "no token-level fields"), ("other", other, "of other people")):
        scores = score_log(logs["original"], write(tmp_path / name, content))
        assert scores["privleak"] is None and scores["membership"] is not None
        assert any("no privleak" in line and note in line for line in scores["notes"])


def test_a_file_of_other_rows_is_an_error(tmp_path):
    content = copy.deepcopy(tokens_of("original"))
    content["tasks"][FORGET] = {"judge_losses": {"0": [1.0]}}
    with pytest.raises(ValueError, match="fluency: the log has 32 rows of eval_log_forget.json, the token log 1"):
        score_log(write(tmp_path / "log", content))
