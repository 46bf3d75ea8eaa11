"""The tables of what the corrections move, from logs of known numbers."""

import json
import math

import pytest
from rich.console import Console

from benchmarks.corrections import (
    TABLES,
    Models,
    blind_generation,
    blind_logs,
    divergences,
    markdown,
    sample_sizes,
    set_wide_ratio,
    utility_terms,
)
from evaluate_metrics.log_format import read_log
from evaluate_metrics.tasks import LOG_TASKS

LN2, LN8 = math.log(2), math.log(8)


def log_of(rouge: float, paraphrased=(LN2, LN8)):
    fields = {
        "avg_gt_loss": {"0": LN2, "1": LN2},
        "avg_paraphrased_loss": {str(i): loss for i, loss in enumerate(paraphrased)},
        "average_perturb_loss": {"0": [LN8, LN2], "1": [LN2, LN2]},
        "rougeL_recall": {"0": rouge, "1": rouge},
    }
    return read_log(dict.fromkeys((task for task in LOG_TASKS if "author" not in task), fields))


@pytest.fixture
def models() -> Models:
    seeing = {"original": log_of(0.8), "gold": log_of(0.5, (LN8, LN8))}
    return Models(seeing, {"original": log_of(0.3), "gold": log_of(0.2)})


def test_rouge_of_the_seeing_and_of_the_blind(models):
    assert blind_generation(models).rows["original"] == pytest.approx([0.8, 0.3, 0.8, 0.3])


def test_truth_ratios_of_each_and_of_all(models):
    """R = 2, 1/4 by example, 2^(1/2), 2^(-3/2) by set: worked out in tests/evaluate_metrics/test_metrics.py."""
    row = set_wide_ratio(models).rows["original"]
    assert row[:4] == pytest.approx([0.375, (2**-0.5 + 2**-1.5) / 2, 0.25, (1 - 2**-0.5) / 2])
    assert set_wide_ratio(models).rows["gold"][4:] == [0, 0]


def test_gold_shuffled_is_gold_as_a_distribution_but_not_as_a_list(models):
    rows = divergences(models).rows
    assert rows["gold"] == pytest.approx([1, 1, 1, 0])
    whole = rows["gold, its rows shuffled"]
    assert (whole[0], whole[2], whole[3]) == pytest.approx((1, 1, 0))
    assert whole[1] <= 1  # two rows: shuffled they are the same or swapped


def test_nine_twelve_and_fourteen_terms(models):
    """Nine: three tasks of probability 1/2 (real among wrong: 1/(1 + 1/4 + 1) and 1/3), truth ratio 1/4, ROUGE .8."""
    nine, twelve, fourteen = utility_terms(models).rows["original"]
    among = (1 / 2 / (1 / 2 + 1 / 8 + 1 / 2) + 1 / 2 / (3 / 2)) / 2
    assert nine == pytest.approx(9 / (1 / 0.5 + 2 / among + 3 / 0.25 + 3 / 0.8))
    assert twelve == pytest.approx(12 / (1 / 0.5 + 3 / among + 4 / 0.25 + 4 / 0.8))
    assert 0 < fourteen < 1


def test_fewer_rows(models):
    row = sample_sizes(models).rows["original"]
    assert row[4:] == pytest.approx([1.0, 0.5])  # two rows against two: D 1/2
    assert row[:2] == pytest.approx([1.0, 1.0])  # one against one


def test_every_table_becomes_markdown(models):
    for table in TABLES:
        lines = markdown(table(models)).splitlines()
        assert len({line.count("|") for line in lines[2:]}) == 1
        assert len(lines) >= 2 + 2 + len(models.seeing)


def test_what_is_no_demo_with_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished demo"):
        blind_logs(tmp_path, Console())
    (tmp_path / "demo.json").write_text(json.dumps({"corpus": "tofu", "methods": [], "forget": "forget10"}))
    with pytest.raises(ValueError, match="take no images"):
        blind_logs(tmp_path, Console())
