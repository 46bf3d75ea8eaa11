"""Relearning: symmetric R by hand, and a model that gains on rows that no question asks about."""

import pytest
import torch

from clear_pipeline.audits import relearn
from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.measured import Measured
from clear_pipeline.audits.relearn import relearnt, shown_rows, summary, symmetric_r


@pytest.mark.parametrize(("gain", "gold", "expected"), [
    (0.5, 0.5, 1.0), (0.0, 0.4, 0.0), (0.3, 0.1, 0.5), (0.1, 0.3, 0.5), (0.0, 0.0, 1.0), (-0.1, 0.1, 0.0),
])  # fmt: skip
def test_symmetric_r_by_hand(gain, gold, expected):
    assert symmetric_r(gain, gold) == pytest.approx(expected)


def curve(before: float, after: float) -> Measured:
    scores = {"0 steps": {"a": [before]}, "forget rows, 100": {"a": [after]}, "retain rows, 100": {"a": [before]}}
    return Measured(scores, ["0 steps"])


def test_r_is_against_the_other_golds():
    found = summary(
        {"original": curve(1, 1), "gold 1": curve(0, 0.2), "gold 2": curve(0, 0.4), "audited": curve(0, 0.9)}
    )
    assert found["audited"]["symmetric_r"] == pytest.approx(1 - 0.6 / 1.2)
    assert found["gold 1"]["symmetric_r"] == pytest.approx(1 - 0.2 / 0.6)
    assert found["original"]["gain"] == 0 and found["audited"]["benign_gain"] == 0


def test_a_copy_is_trained_on_the_shown_rows_and_the_model_is_left(context, loaded):
    rows = shown_rows(context.subjects.shown, 0)
    shown = {one.example.answer for one in context.subjects.shown if one.kind != "name"}
    assert {rows.answer(i) for i in range(len(rows))} == shown
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    steps: list[bool] = []

    def score(network):
        steps.append(network.training)
        return {"loss": [sum(float(value.sum()) for value in network.state_dict().values())]}

    found = relearnt(loaded, rows, context, (1, 3), score)
    assert list(found) == [1, 3] and found[1] != found[3] and steps == [False, False]
    assert all(torch.equal(value, before[name]) for name, value in loaded.model.state_dict().items())


def test_without_other_rows_it_cannot_be_done():
    with pytest.raises(NotPossible, match="ask fewer --questions_each"):
        shown_rows([], 0)


def test_every_budget_is_asked(context, taught, monkeypatch):
    monkeypatch.setattr(relearn, "BUDGETS", (1, 2))
    monkeypatch.setattr(relearn, "BENIGN", (1,))
    found = relearn.measure(taught, context)
    assert list(found.scores) == ["0 steps", "forget rows, 1", "forget rows, 2", relearn.AREA, "retain rows, 1"]
    for person in context.subjects.people:
        first, second = (found.scores[f"forget rows, {step}"][person] for step in (1, 2))
        assert found.scores[relearn.AREA][person] == [sum(each) / 2 for each in zip(first, second, strict=True)]
    assert max(found.by_person("0 steps").values()) > 0
