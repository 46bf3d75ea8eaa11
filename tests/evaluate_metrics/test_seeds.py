"""Numbers over several seeds: means, and intervals over seeds and people."""

import numpy as np
import pytest

from evaluate_metrics.scores import score_log
from evaluate_metrics.seeds import pooled_row, seeds_interval
from evaluate_metrics.token_log import write_token_log
from tests.clear_pipeline.test_logs_on_hub import log_at

PEOPLE = ["Ivo", "Mara", "Lena", "Otto", "Pia", "Quin"]
TASKS = ("eval_log.json", "eval_log_forget.json", "eval_real_faces_wo_options.json")


def logs_of(tmp_path, role, shifts, people=(PEOPLE, PEOPLE)):
    """A log a seed."""
    return [
        log_at(tmp_path / f"{role}{seed}", role, shift=shift, tasks=dict.fromkeys(TASKS, {"person": names}))
        for seed, (shift, names) in enumerate(zip(shifts, people, strict=False))
    ]


def test_one_seed_is_what_score_says(tmp_path):
    (log,), (gold,) = logs_of(tmp_path, "npo", [0.2]), logs_of(tmp_path, "gold", [0.9])
    row, scores = pooled_row("npo", [log], [gold]), score_log(log, gold)
    for key in ("real", "retain", "forget", "model_utility", "forget_quality_statistic", "forget_quality"):
        assert row[key] == pytest.approx(scores[key])
    for key, ends in scores["intervals"].items():
        if key != "wasserstein":
            assert row["intervals"][key] == pytest.approx(ends)
    assert row["rouge_forget"] == 0.5 and row["names_forget"] is None


def test_fluency_has_an_interval_where_a_judge_has_spoken(tmp_path):
    logs, (gold,) = logs_of(tmp_path, "npo", [0.2, 0.3]), logs_of(tmp_path, "gold", [0.9])
    assert pooled_row("npo", logs[:1], [gold])["fluency"] is None
    for log, more in zip(logs, (0, 1), strict=True):
        losses = {str(i): [float(i), more + float(i)] for i in range(len(PEOPLE))}
        write_token_log(
            log, {"schema": 1, "judge": "gold", "tasks": {"eval_log_forget.json": {"judge_losses": losses}}}
        )
    scores, row = score_log(logs[0], gold), pooled_row("npo", logs[:1], [gold])
    assert row["fluency"] == scores["fluency"] == pytest.approx(2.5)
    assert row["intervals"]["fluency"] == pytest.approx(scores["intervals"]["fluency"])
    assert pooled_row("npo", logs, [gold, gold])["fluency"] == pytest.approx(2.75)


def test_several_seeds_are_averaged_and_p_by_its_power_of_ten(tmp_path):
    logs, golds = logs_of(tmp_path, "npo", [0.1, 0.5]), logs_of(tmp_path, "gold", [0.9, 0.9])
    row = pooled_row("npo", logs, golds)
    each = [score_log(log, gold) for log, gold in zip(logs, golds, strict=True)]
    assert row["retain"] == pytest.approx(np.mean([scores["retain"] for scores in each]))
    assert row["forget_quality"] == pytest.approx(np.prod([scores["forget_quality"] for scores in each]) ** 0.5)


def test_a_log_without_people_has_no_intervals(tmp_path):
    log, gold = log_at(tmp_path / "log", "npo"), log_at(tmp_path / "gold", "gold", shift=0.9)
    assert pooled_row("npo", [log], [gold])["intervals"] == {}


def test_a_log_of_few_people_has_no_intervals(tmp_path):
    few = [["Ivo", "Mara"] * 3]
    (log,), (gold,) = (logs_of(tmp_path, role, [shift], few) for role, shift in (("npo", 0.1), ("gold", 0.9)))
    assert pooled_row("npo", [log], [gold])["intervals"] == {}


def test_the_interval_over_seeds_is_students_t():
    """Seeds at 1, 2, 3: mean 2, variance of the mean 1/3, t with 2 degrees of freedom 4.303."""
    low, high = seeds_interval([1.0, 2.0, 3.0], [], crossed=False)
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)


def test_people_whom_all_seeds_share_add_their_variance():
    draws = [(np.random.default_rng(seed).normal(0, 0.5, 20000), 20) for seed in range(3)]
    low, high = seeds_interval([1.0, 2.0, 3.0], draws, crossed=True)
    assert high - low == pytest.approx(2 * 4.303 * (1 / 3 + 0.25) ** 0.5, rel=0.01)
    assert seeds_interval([1.0, 2.0, 3.0], draws, crossed=False) == seeds_interval([1.0, 2.0, 3.0], [], crossed=False)


def test_a_single_seed_keeps_the_interval_over_its_people():
    draws = np.random.default_rng(0).normal(0, 1, 20000)
    low, high = seeds_interval([0.0], [(draws, 1000)], crossed=False)
    assert (low, high) == pytest.approx((-1.96, 1.96), abs=0.06)
    assert seeds_interval([0.0], [], crossed=False) is None
