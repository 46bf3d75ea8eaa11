"""What is said of hidden items, with the demo's own losses: who was fitted to the public ones shows a gap."""

import numpy as np
import pytest

from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.gold_distance.compute import gold_distance
from evaluate_metrics.log_format import read_log
from evaluate_metrics.tasks import FORGET_TASK
from leaderboard_worker.hidden_items import Asked, hidden_numbers, people_of
from tests.leaderboard_worker.test_identity import GOLDS, LOSSES

ROWS = 64
PEOPLE = [f"person {row // 8}" for row in range(ROWS)]


def log_of(name: str, first: int, like: str = "") -> dict:
    """Truth, paraphrase and five wrong answers of rows, from a place in the losses; mostly `like` if it is named."""
    values = LOSSES[name][first : first + 7 * ROWS].reshape(ROWS, 7)
    if like:
        values = 0.1 * values + 0.9 * LOSSES[like][first : first + 7 * ROWS].reshape(ROWS, 7)
    task = {
        "avg_gt_loss": {str(row): float(value[0]) for row, value in enumerate(values)},
        "avg_paraphrased_loss": {str(row): float(value[1]) for row, value in enumerate(values)},
        "average_perturb_loss": {str(row): value[2:].tolist() for row, value in enumerate(values)},
        "rougeL_recall": {str(row): 0.5 for row in range(ROWS)},
    }
    return {FORGET_TASK: task, "eval_log.json": task}


def asked(name: str, first: int, like: str = "", golds: tuple[str, ...] = GOLDS, people: list[str] = PEOPLE) -> Asked:
    known = [log_of(f"demo0/{gold}", first) for gold in golds]
    return Asked(log_of(name, first, like), known, log_of("demo0/original", first), people)


def ratios(log: dict) -> list[float]:
    return read_log(log)[FORGET_TASK].truth_ratios().tolist()


def test_hidden_numbers_are_those_of_the_metrics_on_hidden_logs():
    public, hidden = asked("demo0/npo", 0), asked("demo0/npo", 7 * ROWS)
    found = hidden_numbers(hidden, public)
    ours, golds = ratios(hidden.submission), [ratios(gold) for gold in hidden.golds]
    assert found["hidden_distance"] == forget_quality(ours, golds[0])["statistic"]
    assert found["hidden_share"] == gold_distance(ours, golds, ratios(hidden.original))["share"]
    seen = forget_quality(ratios(public.submission), ratios(public.golds[0]))["statistic"]
    assert found["hidden_gap"] == pytest.approx(found["hidden_distance"] - seen)
    low, high = found["hidden_gap_interval"]
    assert low < found["hidden_gap"] < high and high - low < 1


def test_what_was_fitted_to_the_public_items_has_a_gap_beyond_chance_and_an_honest_one_has_not():
    far, place = "demo0/original", 4 * 7 * ROWS
    honest = hidden_numbers(asked(far, place), asked(far, place))
    fitted = hidden_numbers(asked(far, place), asked(far, place, like="demo0/gold"))
    assert honest["hidden_gap"] == 0.0 and honest["hidden_gap_interval"] == [0.0, 0.0]
    assert fitted["hidden_gap"] > 0.1 and fitted["hidden_gap_interval"][0] > 0


def test_without_three_golds_there_is_no_hidden_share_and_of_few_people_no_interval():
    few = [f"person {row % 4}" for row in range(ROWS)]
    found = hidden_numbers(asked("demo0/npo", 0, golds=GOLDS[:2], people=few), asked("demo0/npo", 0, people=few))
    assert (found["hidden_share"], found["hidden_gap_interval"]) == (None, None)
    assert np.isfinite(found["hidden_distance"])


def test_people_are_read_from_the_metadata_of_a_log():
    assert people_of({"tasks": {FORGET_TASK: {"person": ["Mara", None]}}}) == ["Mara", "None"]
