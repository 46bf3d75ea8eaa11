"""Fingerprint: the area under the curve by hand, and whom a taught model gives away."""

from dataclasses import replace

import pytest

from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.fingerprint import above, auc, losses, measure, summary


@pytest.mark.parametrize(("loss", "expected"), [(0.5, 1.0), (2.0, 0.5), (1.0, 0.875), (9.0, 0.0)])
def test_share_above_by_hand(loss, expected):
    assert above(loss, [1.0, 2.0, 2.0, 3.0]) == pytest.approx(expected)


def test_auc_by_hand_and_its_interval():
    details = {"losses": {"a": [1.0, 2.0]}, "strangers": {"x": [2.0], "y": [3.0]}}
    assert auc(details) == {"auc": pytest.approx((1 + 1 + 0.5 + 1) / 4), "interval": None}
    many = {side: {f"{side} {i}": [i + shift, i + shift + 0.3] for i in range(8)}
            for side, shift in (("losses", 0.0), ("strangers", 4.0))}  # fmt: skip
    low, high = auc(many)["interval"]
    assert 0 < low < auc(many)["auc"] < high <= 1


def test_a_model_that_knows_them_gives_them_away(context, loaded, taught):
    knows, gold = measure(taught, context), measure(loaded, context)
    assert all(value > 0.9 for value in knows.by_person("fact").values())
    assert summary({"audited": knows})["audited"]["fact"]["auc"] > 0.9
    mean = sum(gold.by_person("all").values()) / len(context.subjects.people)
    assert 0.1 < mean < 0.9
    facts = context.subjects.of("fact")
    assert losses(taught, facts, 4)[0] < losses(loaded, facts, 4)[0]


def test_without_strangers_it_cannot_be_done(context, loaded):
    with pytest.raises(NotPossible, match="nobody whom no model was trained on"):
        measure(loaded, replace(context, subjects=replace(context.subjects, strangers=[])))
