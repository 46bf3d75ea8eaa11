"""Scores of several models on the same tasks: intervals of paired differences, worked out by hand."""

import numpy as np
import pytest
from scipy.stats import binom, norm, t

from evaluate_metrics.paired_tasks import compared


def answers(values: list[float]) -> dict:
    samples = [{"doc_id": n, "target_hash": "", "filter": "none", "acc": value} for n, value in enumerate(values)]
    return {"results": {"one": {"acc,none": float(np.mean(values))}}, "groups": {}, "by_size": {},
            "higher_is_better": {"one": {"acc": True}}, "samples": {"one": samples}}  # fmt: skip


def against(model: list[float], original: list[float]) -> dict:
    found = compared({"model": answers(model), "original": answers(original)})
    return found["one"]["metrics"]["acc,none"]["against"]["original"]


def test_the_interval_is_that_of_paired_samples():
    half = [0.0, 1.0] * 10
    assert against(half, half) == {"difference": 0.0, "interval": (0.0, 0.0)}  # unpaired it would be about .3 each way
    worse = [0.0] * 5 + [1.0] * 15  # of 20 samples 5 are lost: the number lost in a resample is binomial (20, 1/4)
    found = against(worse, [1.0] * 20)
    tail = norm.cdf(-np.sqrt(20 / 19) * t.ppf(0.975, 19))
    ends = [-binom.ppf(level, 20, 0.25) / 20 for level in (1 - tail, tail)]
    assert found["difference"] == -0.25
    assert found["interval"] == pytest.approx(ends, abs=1 / 20 + 1e-9)
    assert against([0.0] * 5, [1.0] * 5)["interval"] is None  # too few samples


def test_models_that_were_asked_other_samples_are_not_compared():
    with pytest.raises(ValueError, match="original was asked other samples"):
        against([1.0] * 6, [1.0] * 7)
