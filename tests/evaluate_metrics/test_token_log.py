import copy
import json
import math

import pytest

from evaluate_metrics.log_format import LOG_NAME, read_log, write_log
from evaluate_metrics.token_log import TOKENS_NAME, read_token_file, read_token_log, write_token_log
from tests.evaluate_metrics.test_log_format import log

TASK = "eval_log_forget.json"


def rows(person):
    return {
        "answer": {"0": "Mara", "1": "Ivo F"},
        "person": person,
        "token_log_probs": {"0": [-0.1, -0.2], "1": [-1.0, -2.0, -0.3]},
        "token_hits": {"0": [1, 1], "1": [0, 1, 1]},
        "vocabulary_means": {"0": [-1.0, -1.0], "1": [-1.0, -1.5, -1.0]},
        "vocabulary_stds": {"0": [0.5, 0.5], "1": [0.5, 0.7, 0.5]},
    }


def content():
    return {
        "schema": 1,
        "tasks": {TASK: {**rows(["Mara", None]), "judge_losses": {"0": [1.0], "1": [2.0, 0.5]}}},
        "held_out": {"dataset": "x_extra", "config": "people", **rows(["Omar", "Lena"])},
        "judge": "runs/gold",
    }


def test_it_is_written_and_read_whole_without_the_end_tokens(tmp_path):
    write_log(tmp_path, log(), {})
    write_token_log(tmp_path, content())
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG_NAME, "eval_log_meta.json", TOKENS_NAME]
    for source in (tmp_path, tmp_path / LOG_NAME, content()):
        found = read_token_log(source)
        assert found.rows(TASK).hits == [[1], [0, 1]]
        assert found.rows(TASK).log_probs == [[-0.1], [-1.0, -2.0]]
        assert found.rows(TASK).people[0] == "Mara"
        assert found.judge_losses[TASK] == [[1.0], [2.0, 0.5]]
        inputs = found.membership_inputs(TASK)
        assert inputs["references"] == [1, 1, 0, 0]
        assert inputs["people"][2:] == ["Omar", "Lena"]
        assert inputs["texts"] == ["Mara", "Ivo F"] * 2
        assert len(set(inputs["people"])) == 4  # a row about nobody stands for itself
    assert read_log(tmp_path).keys() == log().keys()


def test_a_log_without_it_says_what_to_evaluate_again_with(tmp_path):
    write_log(tmp_path, log(), {})
    for source in (tmp_path, tmp_path / LOG_NAME, log()):
        found = read_token_log(source)
        assert found.judge_losses == {} and found.held_out is None
        with pytest.raises(ValueError, match="no token-level fields: evaluate again with --token_level"):
            found.rows(TASK)
    alone = content()
    alone["held_out"] = None
    with pytest.raises(ValueError, match="no held-out people: evaluate again with --token_level --holdout DATASET"):
        read_token_log(alone).membership_inputs(TASK)
    judged = {"schema": 1, "tasks": {TASK: {"judge_losses": {"0": [1.0]}}}}
    assert read_token_log(judged).tasks == {}


def test_a_bare_log_in_the_same_folder_is_not_taken_for_it(tmp_path):
    write_token_log(tmp_path, content())
    (tmp_path / "full.json").write_text(json.dumps(log()))
    assert read_token_log(tmp_path / "full.json").tasks == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("token_hits"), "eval_log_forget.json: missing token_hits"),
        (lambda t: t["token_log_probs"].update({"1": [-1.0, math.nan, -1.0]}), "token_log_probs, row 1: nan is not"),
        (lambda t: t["vocabulary_stds"].update({"1": [1.0]}), r"row 1: the token-level fields have \[3, 3, 3, 1\]"),
        (lambda t: t["token_hits"].update({"0": [1, 2]}), "token_hits, row 0: .* are not 0 and 1"),
        (lambda t: t["token_hits"].update({"0": []}), "row 0: the token-level fields"),
        (lambda t: t.update({"person": ["Mara"]}), r"have \[2, 1, 2, 2, 2, 2\] rows"),
        (lambda t: t["judge_losses"].update({"0": [math.inf]}), "judge_losses, row 0: inf is not a finite number"),
        (lambda t: t["judge_losses"].update({"0": 1.0}), "judge_losses, row 0: needs a list of numbers, not 1.0"),
        (lambda t: t["judge_losses"].pop("0"), "judge_losses: needs a dict with a value for each row"),
    ],
)
def test_what_is_wrong_is_named_and_never_written(tmp_path, change, message):
    broken = copy.deepcopy(content())
    change(broken["tasks"][TASK])
    with pytest.raises(ValueError, match=message):
        read_token_log(broken)
    with pytest.raises(ValueError, match=message):
        write_token_log(tmp_path, broken)
    assert not list(tmp_path.iterdir())


def test_files_that_are_none_are_named(tmp_path):
    path = tmp_path / TOKENS_NAME
    path.write_text(json.dumps(content())[:-20])
    with pytest.raises(ValueError, match=r"eval_log_tokens.json is not JSON .*cut off"):
        read_token_log(tmp_path)
    path.write_text(json.dumps(log()))
    with pytest.raises(ValueError, match="no log of tokens; expected tasks"):
        read_token_file(path)
