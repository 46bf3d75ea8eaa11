import json
import math

import numpy as np
import pytest

from evaluate_metrics.log_format import LOG_NAME, META_NAME, read_log, read_meta, write_log
from evaluate_metrics.tasks import LOG_TASKS


def log():
    return {
        "eval_log.json": {
            "avg_gt_loss": {"0": 1.0, "1": 2.0},
            "avg_paraphrased_loss": {"0": 0.5, "1": 1.0},
            "average_perturb_loss": {"0": [1.0, 2.0], "1": [3.0, 4.0]},
            "rougeL_recall": {"0": 1.0, "1": 0.5},
            "generated_text": {"0": ["q", "a", "b"], "1": ["q", "c", "d"]},
        }
    }


def test_it_is_written_and_read_whole(tmp_path):
    write_log(tmp_path, log(), {"forget": "forget05"})
    for source in (tmp_path, tmp_path / LOG_NAME, log()):
        task = read_log(source)["eval_log.json"]
        assert task.loss.tolist() == [1.0, 2.0]
        assert task.wrong_losses.tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert task.truth_ratios() == pytest.approx(np.exp([1.0, 2.5]))
        assert task.generated[1] == ["q", "c", "d"]
    assert read_meta(tmp_path) == {"forget": "forget05"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG_NAME, META_NAME]
    assert set(json.loads((tmp_path / LOG_NAME).read_text())) <= set(LOG_TASKS)


def test_rows_are_taken_by_their_index_not_by_their_place():
    turned = log()
    fields = turned["eval_log.json"]
    fields["avg_gt_loss"] = dict(reversed(fields["avg_gt_loss"].items()))
    assert read_log(turned)["eval_log.json"].loss.tolist() == [1.0, 2.0]


def broken(change):
    content = log()
    change(content["eval_log.json"])
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("rougeL_recall"), "eval_log.json: missing rougeL_recall"),
        (lambda f: f["avg_paraphrased_loss"].pop("1"), "avg_paraphrased_loss: needs rows 0 to 1"),
        (lambda f: f["avg_gt_loss"].update({"1": math.nan}), "avg_gt_loss, row 1: nan is not a finite number"),
        (lambda f: f["avg_gt_loss"].update({"0": "1"}), "avg_gt_loss, row 0: '1' is not a finite number"),
        (lambda f: f["average_perturb_loss"].update({"1": [1.0]}), "rows must be lists of one length"),
        (lambda f: f["average_perturb_loss"].update({"1": [1.0, math.inf]}), "average_perturb_loss, row 1: inf"),
        (lambda f: f["rougeL_recall"].update({"7": 1.0}), "rougeL_recall: needs rows 0 to 1"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        read_log(broken(change))


def test_files_that_are_no_log_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_log(tmp_path / "nowhere")
    (tmp_path / LOG_NAME).write_text(json.dumps(log())[:-20])
    with pytest.raises(ValueError, match=r"eval_log_aggregated.json is not JSON .*cut off"):
        read_log(tmp_path)
    (tmp_path / LOG_NAME).write_text("[]")
    with pytest.raises(ValueError, match="not a log"):
        read_log(tmp_path)


def test_nan_is_never_written(tmp_path):
    write_log(tmp_path, log(), {})
    with pytest.raises(ValueError):
        write_log(tmp_path, {"x": math.nan}, {})
    assert read_log(tmp_path)["eval_log.json"].loss.tolist() == [1.0, 2.0]
