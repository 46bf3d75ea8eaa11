"""Gold against gold: the steps, the numbers of the pairs, the page."""

import copy

import numpy as np
import pytest

from benchmarks.calibration import Distances, calibration_steps, distances, page, picture
from evaluate_metrics.log_format import write_log
from evaluate_metrics.tasks import FORGET_TASK

FIELDS = {
    "avg_gt_loss": {"0": 0.5, "1": 1.0},
    "avg_paraphrased_loss": {"0": 1.0, "1": 1.5},
    "average_perturb_loss": {"0": [2.0, 2.5], "1": [1.0, 3.0]},
    "rougeL_recall": {"0": 1.0, "1": 0.5},
}


def test_every_pair_is_compared(tmp_path):
    """Three golds, the third with one of two ratios moved beyond the others: D 0, 1/2, 1/2.

    Mean log ratios: mean wrong - paraphrased loss is 2.25 - 1 = 1.25 and 2 - 1.5 = .5, or 2 - 9 = -7 in the third;
    -.875, -.875 and 2.875 have a standard deviation of 3.75 / sqrt(3), and t(.975, 2) = 4.30265.
    """
    moved = copy.deepcopy(FIELDS)
    moved["avg_paraphrased_loss"]["1"] = 9.0
    for name, fields in (("a", FIELDS), ("b", FIELDS), ("c", moved)):
        (tmp_path / name).mkdir()
        write_log(tmp_path / name, {FORGET_TASK: fields}, {"tasks": {FORGET_TASK: {"person": ["Mara", "Mara"]}}})
    found = distances([tmp_path / name for name in "abc"])
    assert (found.people, found.rows) == (1, 2)
    np.testing.assert_allclose(found.distance, [0, 0.5, 0.5])
    np.testing.assert_allclose(found.p, [1, 1, 1])
    np.testing.assert_allclose(found.noise, [0, 4.30265 * 2**0.5 * 3.75 / 3**0.5], rtol=1e-6)


def test_all_golds_share_a_base_and_each_is_scored_on_its_forget_set(tmp_path):
    steps = {step.name: step for step in calibration_steps(tmp_path, 2, ["forget01", "forget10"], seed=0)}
    assert len(steps) == 1 + 1 + 2 * 2 * 2
    for gold in range(2):
        for forget in ("forget01", "forget10"):
            train, score = steps[f"{forget}-{gold}: fine-tune"], steps[f"{forget}-{gold}: evaluate"]
            assert train.arguments["model"].model_name_or_path == str(tmp_path / "models" / "base")
            assert train.arguments["settings"]["seed"] == gold
            assert train.arguments["extra"].dataset_config == f"retain{100 - int(forget[-2:])}+tofu"
            assert score.arguments["data"].forget == forget
            assert score.arguments["model"].model_name_or_path == str(train.arguments["folder"])


def test_the_page_shows_its_numbers_and_its_command():
    found = {"forget05": Distances(4, 32, np.array([0.04, 0.5, 0.9]), np.array([0.3, 0.2, 0.1]), (0.34, 1.5))}
    text = page(found, "python -m benchmarks.calibration --golds 3")
    assert "| forget05 | 4 | 32 | 3 | 0.200 | 0.280 | 0.300 | 0.500 | 0.040 | 0.333 | 0.340 | 1.500 |" in text
    assert "    python -m benchmarks.calibration --golds 3 --docs docs" in text
    assert picture(found).startswith(b"\x89PNG")


def test_one_gold_is_too_few(tmp_path):
    with pytest.raises(ValueError, match="--golds must be at least 2, not 1"):
        calibration_steps(tmp_path, 1, ["forget01"], seed=0)
    with pytest.raises(ValueError, match="unknown forget set 'forget20'"):
        calibration_steps(tmp_path, 2, ["forget20"], seed=0)
