import json

import numpy as np
import pytest

from clear_pipeline.cli import main
from evaluate_metrics.log_format import write_log
from evaluate_metrics.scores import compare_logs, score_log

PEOPLE, ROWS = 12, 3
TASKS = ("eval_log_forget.json", "eval_log.json", "eval_real_world_wo_options.json")


def model_log(seed: int, known: float) -> dict:
    """A model that finds the forget answers `known` nats a token likelier than wrong ones, more or less by person."""
    log = {}
    for number, task in enumerate(TASKS):
        dice = np.random.default_rng([seed, number])
        person = np.repeat(dice.normal(0, 0.2, PEOPLE), ROWS)
        loss = 1.0 - (known if number == 0 else 1.0) + person + dice.normal(0, 0.05, PEOPLE * ROWS)
        loss = np.maximum(loss, 0.01)
        fields = {
            "avg_gt_loss": loss.tolist(),
            "avg_paraphrased_loss": (loss + 0.1).tolist(),
            "average_perturb_loss": np.full((len(loss), 2), 1.5).tolist(),
            "rougeL_recall": dice.uniform(0.5, 1, len(loss)).tolist(),
            "generated_text": [["q", "said", f"truth {task} {i}"] for i in range(len(loss))],
        }
        log[task] = {name: {str(i): value for i, value in enumerate(column)} for name, column in fields.items()}
    return log


@pytest.fixture
def logs(tmp_path):
    """Folders of a gold model, of a model like it, and of one that knows the forget set."""
    persons = [f"person {i // ROWS}" for i in range(PEOPLE * ROWS)]
    about = {task: {"person": [None] * len(persons) if "real" in task else persons} for task in TASKS}
    folders = {}
    for name, (seed, known) in {"gold": (0, 0.0), "unlearned": (1, 0.0), "original": (2, 0.9)}.items():
        folders[name] = tmp_path / name
        folders[name].mkdir()
        write_log(folders[name], model_log(seed, known), {"tasks": about, "forget": "forget10"})
    return folders


def test_intervals_hold_their_scores(logs):
    scores = score_log(logs["unlearned"], logs["gold"])
    # Resampling adds a bias of its own to a distance between two samples: those have no interval.
    assert not scores["intervals"].keys() & {"forget_quality_statistic", "wasserstein"}
    for name in ("model_utility", "real", "retain", "forget"):
        low, high = scores["intervals"][name]
        assert low < high
        assert low <= scores[name] <= high, name


def test_p_by_person_is_large_for_a_model_like_gold_and_small_for_the_original(logs):
    assert score_log(logs["unlearned"], logs["gold"])["forget_quality_permutation"] > 0.05
    assert score_log(logs["original"], logs["gold"])["forget_quality_permutation"] < 0.01


def test_without_people_there_are_no_intervals_and_it_says_so(logs):
    (logs["original"] / "eval_log_meta.json").unlink()
    scores = score_log(logs["original"], logs["gold"])
    assert scores["intervals"] == {} and scores["forget_quality_permutation"] is None
    assert any("the person of each row" in note for note in scores["notes"])


def test_few_people_are_named(logs):
    path = logs["original"] / "eval_log_meta.json"
    meta = json.loads(path.read_text())
    meta["tasks"]["eval_log.json"]["person"] = ["one", "two", "three"] * PEOPLE
    path.write_text(json.dumps(meta))
    scores = score_log(logs["original"], logs["gold"])
    assert not scores["intervals"].keys() & {"model_utility", "real", "retain", "forget", "forget_quality_statistic"}
    assert "no intervals: an interval needs at least 6 people, and there are 3" in scores["notes"]


def test_metadata_of_other_rows_are_an_error(logs):
    path = logs["original"] / "eval_log_meta.json"
    meta = json.loads(path.read_text())
    meta["tasks"]["eval_log.json"]["person"].pop()
    path.write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="eval_log.json: the metadata name the person of 35 rows of 36"):
        score_log(logs["original"])


def test_two_models_differ_where_they_do(logs):
    compared = compare_logs(logs["original"], logs["unlearned"], logs["gold"])
    assert compared["forget_quality_statistic"]["differs"]
    assert compared["forget_quality_statistic"]["first"] > compared["forget_quality_statistic"]["second"]
    itself = compare_logs(logs["original"], logs["original"], logs["gold"])
    assert not any(found["differs"] for found in itself.values())
    assert all(found["interval"] == [0, 0] for found in itself.values())


def test_logs_of_other_rows_are_not_compared(logs):
    log = model_log(5, 0.5)
    log["eval_log.json"]["generated_text"]["3"][2] = "another truth"
    with pytest.raises(ValueError, match="eval_log.json: the second log was scored on 36 rows, the first log on 36"):
        compare_logs(logs["original"], log)


def test_the_command_compares(logs, capsys):
    names = [str(logs[name]) for name in ("original", "unlearned", "gold")]
    assert main(["score", *names[:2], "--gold", names[2], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forget_quality_statistic"]["differs"] is True
    assert main(["score", *names[:2], "--gold", names[2]]) == 0
    assert "forget_quality_statistic" in capsys.readouterr().out
