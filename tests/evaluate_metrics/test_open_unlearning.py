import json
import math

import pytest

from clear_pipeline.cli import main
from evaluate_metrics.log_format import read_meta
from evaluate_metrics.scores import score_log
from tests.tofu_rows import PUBLISHED_LOGS, log_of_rows, needs_logs

SETS = {
    "eval_log_forget.json": "forget",
    "eval_log.json": "retain",
    "eval_real_author_wo_options.json": "ra",
    "eval_real_world_wo_options.json": "wf",
}
# Three examples as open-unlearning writes them: for each, losses per token and what the model said.
RIGHT, PARAPHRASED, WRONG, RECALL = (
    [0.5, 1.0, 1.5],
    [0.7, 1.1, 1.3],
    [[1.0, 2.0], [0.9, 1.9], [2.0, 3.0]],
    [1.0, 0.5, 0],
)


def losses(values) -> dict:
    """A table of probabilities, whose values are lists where an example has several answers."""
    table = {}
    for index, loss in enumerate(values):
        prob = [math.exp(-value) for value in loss] if isinstance(loss, list) else math.exp(-loss)
        table[str(index)] = {"prob": prob, "avg_loss": loss}
    return {"agg_value": 0.0, "value_by_index": table}


def said(recall) -> dict:
    text = {"input": "Who?", "generation": "Mara", "ground_truth": "Mara Torgard"}
    table = {str(i): {"rouge1_recall": r, "rougeL_f1": r, "rougeL_recall": r, **text} for i, r in enumerate(recall)}
    return {"agg_value": 0.0, "value_by_index": table}


def tofu_eval() -> dict:
    """A `TOFU_EVAL.json` with its tables and, as there, numbers that are made from them."""
    tables: dict = {"forget_quality": {"agg_value": None}, "model_utility": {"agg_value": 0.4}}
    for name in SETS.values():
        tables[f"{name}_Q_A_Prob"] = losses(RIGHT)
        tables[f"{name}_Q_A_PERT_Prob"] = losses(WRONG)
        tables[f"{name}_Q_A_ROUGE"] = said(RECALL)
        if name in ("forget", "retain"):
            tables[f"{name}_Q_A_PARA_Prob"] = losses(PARAPHRASED)
    return tables


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "TOFU_EVAL.json"
    path.write_text(json.dumps(tofu_eval()))
    return path


def test_scores_are_those_of_open_unlearnings_formulas(source, tmp_path, capsys):
    output = tmp_path / "log"
    flags = ["--output", str(output), "--forget", "forget10", "--model", "ORG/npo"]
    assert main(["import-log", str(source), *flags]) == 0
    assert capsys.readouterr() == (f"log: {output}\n", "")
    scores = score_log(output)
    alone = sum(math.exp(-loss) for loss in RIGHT) / 3
    among = sum(
        math.exp(-loss) / (math.exp(-loss) + sum(math.exp(-other) for other in wrong))
        for loss, wrong in zip(RIGHT, WRONG, strict=True)
    )

    # Its truth ratio is wrong / right: max(0, 1 - it) outside the forget set, on the real sets against the answer.
    def kept(right):
        return sum(max(0.0, 1 - math.exp(r - sum(w) / 2)) for r, w in zip(right, WRONG, strict=True)) / 3

    terms = [alone, 0.5, kept(PARAPHRASED), *[among / 3, 0.5, kept(RIGHT)] * 2]
    assert scores["model_utility"] == pytest.approx(len(terms) / sum(1 / term for term in terms))
    ratios = [math.exp(r - sum(w) / 2) for r, w in zip(PARAPHRASED, WRONG, strict=True)]
    expected = sum(min(ratio, 1 / ratio) for ratio in ratios) / 3
    assert scores["tasks"]["eval_log_forget.json"]["truth_ratio"] == pytest.approx(expected)
    assert read_meta(output)["forget"] == "forget10"
    assert read_meta(output)["imported"]["missing"] == {}
    assert json.loads((output / "eval_log_aggregated.json").read_text())["eval_log.json"]["generated_text"]["2"] == [
        "Who?",
        "Mara",
        "Mara Torgard",
    ]


def test_what_is_incomplete_is_left_out_and_said(source, tmp_path, capsys):
    tables = tofu_eval()
    del tables["retain_Q_A_PARA_Prob"], tables["wf_Q_A_ROUGE"]["value_by_index"]
    source.write_text(json.dumps(tables))
    assert main(["import-log", str(source), "--output", str(tmp_path / "log")]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "left out: eval_log.json (retain_Q_A_PARA_Prob missing)",
        "left out: eval_real_world_wo_options.json (wf_Q_A_ROUGE missing)",
    ]
    log = json.loads((tmp_path / "log/eval_log_aggregated.json").read_text())
    assert list(log) == ["eval_log_forget.json", "eval_real_author_wo_options.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"forget', "is not JSON"),
        ("[1, 2]", "has no complete task of TOFU: eval_log_forget.json lacks forget_Q_A_Prob, "),
        ('{"forget_quality": {"agg_value": 0.5}}', "has no complete task of TOFU"),
        ('{"forget_Q_A_Prob": 0.99, "retain_Q_A_ROUGE": 1}', "has only means, as TOFU_SUMMARY.json does"),
        ('{"forget_Q_A_Prob": "x", "retain_Q_A_ROUGE": null}', "has no complete task of TOFU"),
        ('{"forget_Q_A_Prob": {"value_by_index": [0.99]}}', "has no complete task of TOFU"),
        ("null", "has no complete task of TOFU"),
        (None, "forget_Q_A_Prob, row 1: avg_loss is missing"),
    ],
)
def test_bad_files_are_named_and_nothing_is_written(source, tmp_path, capsys, content, message):
    tables = tofu_eval()
    tables["forget_Q_A_Prob"]["value_by_index"]["1"]["avg_loss"] = None
    source.write_text(content or json.dumps(tables))
    assert main(["import-log", str(source), "--output", str(tmp_path / "log")]) == 2
    err = capsys.readouterr().err
    assert message in err and str(source) in err and err.count("\n") == 1
    assert not (tmp_path / "log").exists()


def test_an_existing_folder_is_left_alone(source, tmp_path, capsys):
    assert main(["import-log", str(source), "--output", str(tmp_path)]) == 2
    assert "exists; choose another --output" in capsys.readouterr().err
    assert main(["import-log", "nowhere.json", "--output", "x"]) == 2
    assert "error: no file nowhere.json" in capsys.readouterr().err


@pytest.mark.parametrize("published", [False, pytest.param(True, marks=needs_logs)], ids=["20 rows", "published"])
def test_a_real_log_goes_through_their_format_unchanged(published, tmp_path):
    file = PUBLISHED_LOGS / "llama2-7b_retain90.json"
    log = json.loads(file.read_text()) if published else log_of_rows()
    tables = {}
    for task, name in SETS.items():
        fields = {field: [log[task][field][str(i)] for i in range(len(log[task][field]))] for field in log[task]}
        tables[f"{name}_Q_A_Prob"] = losses(fields["avg_gt_loss"])
        tables[f"{name}_Q_A_PERT_Prob"] = losses(fields["average_perturb_loss"])
        tables[f"{name}_Q_A_ROUGE"] = said(fields["rougeL_recall"])
        if name in ("forget", "retain"):
            tables[f"{name}_Q_A_PARA_Prob"] = losses(fields["avg_paraphrased_loss"])
    (tmp_path / "TOFU_EVAL.json").write_text(json.dumps(tables))
    assert main(["import-log", str(tmp_path / "TOFU_EVAL.json"), "--output", str(tmp_path / "log")]) == 0
    imported, own = (score_log(one, log) for one in (tmp_path / "log", log))
    assert imported["forget_quality"] == 1
    for task in ("eval_log_forget.json", "eval_log.json"):
        assert imported["tasks"][task] == own["tasks"][task]
    # TOFU scored the answers of the real sets twice, in half precision: its second losses are what is not there.
    utility = 0.613744995233942 if published else own["model_utility"]
    assert imported["model_utility"] == pytest.approx(utility, abs=2e-4 if published else 1e-12)
