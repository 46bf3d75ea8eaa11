import copy
import io
import json

import pytest
from rich.console import Console

from clear_pipeline.report.terminal import report_table
from evaluate_metrics.columns import number
from evaluate_metrics.log_format import LOG_NAME, write_log
from evaluate_metrics.scores import score_log
from evaluate_metrics.tasks import LOG_TASKS
from trainers import METHODS

FIELDS = {
    "avg_gt_loss": {"0": 0.5, "1": 1.0},
    "avg_paraphrased_loss": {"0": 0.7, "1": 1.2},
    "average_perturb_loss": {"0": [2.0, 2.5], "1": [1.0, 3.0]},
    "rougeL_recall": {"0": 1.0, "1": 0.5},
}
LOG = dict.fromkeys(
    ("eval_log_forget.json", "eval_log.json", "eval_real_author_wo_options.json", "eval_real_world_wo_options.json"),
    FIELDS,
)

IMAGE_LOG = dict.fromkeys((task for task in LOG_TASKS if "author" not in task), FIELDS)


def test_gold_against_itself_has_forget_quality_one():
    scores = score_log(LOG, LOG)
    assert (scores["forget_quality"], scores["forget_quality_statistic"], scores["forget_quality_log10"]) == (1, 0, 0)


def test_without_gold_there_is_no_forget_quality():
    scores = score_log(LOG)
    assert scores["forget_quality"] is scores["forget_quality_statistic"] is scores["forget_quality_log10"] is None
    assert scores["model_utility"] > 0


def test_row_order_changes_no_number():
    turned = {
        task: {name: dict(reversed(column.items())) for name, column in fields.items()} for task, fields in LOG.items()
    }
    assert score_log(turned, LOG) == score_log(LOG, LOG)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"forget": "forget05"}, {"forget": "forget10"}, "of forget set forget05, the gold log of forget10"),
        ({"control": "blank"}, {"control": "none"}, "of control blank, the gold log of none"),
        ({"dataset": {"fingerprint": "aa"}}, {"dataset": {"fingerprint": "bb"}}, "of dataset aa, the gold log of bb"),
        (
            {"dataset": {"source": "a/b", "fingerprint": None, "revision": "11"}},
            {"dataset": {"source": "a/b", "fingerprint": None, "revision": "22"}},
            "of dataset 11, the gold log of 22",
        ),
        ({"seed": 0}, {"seed": 1}, "of question seed 0, the gold log of 1"),
    ],
)
def test_a_gold_log_of_something_else_is_refused(tmp_path, one, other, message):
    for name, meta in (("one", one), ("other", other)):
        (tmp_path / name).mkdir()
        write_log(tmp_path / name, LOG, meta)
    with pytest.raises(ValueError, match=message):
        score_log(tmp_path / "one", tmp_path / "other")
    assert score_log(tmp_path / "one", tmp_path / "one" / LOG_NAME)["forget_quality"] == 1


def test_golds_of_several_seeds_calibrate_the_distance():
    other = copy.deepcopy(LOG)
    other["eval_log_forget.json"]["avg_paraphrased_loss"] = {"0": 2.7, "1": 3.2}  # D 1 from the first
    assert score_log(LOG, LOG, [LOG, other])["forget_quality_calibrated"] == 1.0
    assert score_log(other, LOG, [LOG, LOG])["forget_quality_calibrated"] == 0.25  # (1 + 0) / (1 + 3)
    assert score_log(LOG, LOG)["forget_quality_calibrated"] is None
    assert any("not calibrated" in note for note in score_log(LOG, LOG)["notes"])


def test_other_true_answers_are_told_where_no_metadata_do():
    def said(*truths):
        fields = {**FIELDS, "generated_text": {str(i): ["?", "x", truth] for i, truth in enumerate(truths)}}
        return {**LOG, "eval_log_forget.json": fields}

    notes = score_log(said("Mara", "Ivo"), said("Mara", "Lena"))["notes"]
    assert "1 of 2 true answers are not in a gold log: it seems to be of other rows" in notes
    assert not any("true answers" in note for note in score_log(said("Mara", "Ivo"), said("Ivo", "Mara"))["notes"])


def test_the_papers_numbers_come_without_intervals():
    scores = score_log(IMAGE_LOG, IMAGE_LOG, paper="clear")
    assert scores["forget_quality"] == 1.0  # the same list in the same order
    assert scores["model_utility"] != score_log(IMAGE_LOG)["model_utility"]
    assert scores["intervals"] == {}
    assert any("CLEAR's scripts" in note for note in scores["notes"])


def test_a_log_without_the_forget_task_is_named():
    other = {task: fields for task, fields in LOG.items() if task != "eval_log_forget.json"}
    with pytest.raises(ValueError, match="the gold log has no task eval_log_forget.json"):
        score_log(LOG, other)


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match="unknown task 'eval_log_dogs.json'; choose from eval_log_forget.json"):
        score_log({**LOG, "eval_log_dogs.json": copy.deepcopy(FIELDS)})


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.0, "0.000"), (0.12345, "0.123"), (1.8e-21, "1.8e-21")])
def test_numbers_are_short(value, shown):
    assert number(value) == shown


def test_the_table_of_a_report_fits_a_terminal_of_80_columns():
    row = {
        "forget_quality_statistic": 0.9875,
        "forget_quality": 1.1e-135,
        **dict.fromkeys(("model_utility", "real", "retain", "forget", "rouge_forget", "rouge_retain"), 1.0),
    }
    report = {"forget": "forget10", "rows": [{"name": name, **row} for name in ("original", "gold", *METHODS)]}
    console = Console(file=io.StringIO(), width=80)
    console.print(report_table(report))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(name in text for name in METHODS)
    assert "…" not in text
    assert text.count("1.1e-135") == len(report["rows"])


def test_scores_are_plain_json():
    assert json.loads(json.dumps(score_log(LOG, LOG), allow_nan=False)) == score_log(LOG, LOG)


@pytest.mark.parametrize(
    ("role", "refused"), [("unlearned", True), ("original", True), ("gold", False), (None, False)]
)
def test_a_gold_log_is_of_a_gold_model(tmp_path, role, refused):
    meta = {"schema": 1, "tasks": {}, "lineage": {"role": role, "trained_on": "forget10"}}
    (tmp_path / "gold").mkdir()
    write_log(tmp_path / "gold", LOG, meta)
    if not refused:
        assert score_log(LOG, tmp_path / "gold")["forget_quality"] == 1
        return
    with pytest.raises(ValueError, match=f"not gold: its role is '{role}', trained on forget10; give the log of"):
        score_log(LOG, tmp_path / "gold")
