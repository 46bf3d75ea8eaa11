"""Where weights come from, by numbers worked out by hand."""

import math

import pytest
import torch

from leaderboard_worker.weight_check import WeightChange, check_finite, compare_weights, refusal


def weights(scale=1.0, **changes):
    tensors = {"model.layers.0.a.weight": torch.tensor([3.0, 4.0]) * scale, "norm.weight": torch.tensor([12.0])}
    return tensors | {name.replace("__", "."): value for name, value in changes.items()}


def change(**fields):
    return WeightChange(**{"distance": 10.0, "relative": 0.1, "cosine": 0.99, "changed": 1.0, "modules": {}, **fields})


def test_distances_are_those_of_the_hand():
    found = compare_weights({**weights(), "norm.weight": torch.tensor([12.0 + 5])}, weights())
    assert found.distance == pytest.approx(5.0)
    assert found.relative == pytest.approx(5 / 13)
    assert found.cosine == pytest.approx((25 + 12 * 17) / (13 * math.sqrt(25 + 17**2)))
    assert found.changed == 0.5
    assert found.modules["model.layers.0"].norm == 0.0
    assert found.modules["norm"].relative == pytest.approx(5 / 12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_saving_in_half_precision_is_no_change(dtype):
    ours = {"a": torch.randn(64, 64)}
    found = compare_weights({"a": ours["a"].to(dtype).float()}, ours)
    assert (found.changed, found.distance) == (0.0, 0.0)


def test_other_tensors_are_named():
    with pytest.raises(ValueError, match="norm.weight"):
        compare_weights({"model.layers.0.a.weight": torch.zeros(2)}, weights())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_named(value):
    with pytest.raises(ValueError, match=r"norm\.weight are NaN or infinite"):
        check_finite(weights(norm__weight=torch.tensor([value])))


@pytest.mark.parametrize(
    ("found", "to_golds", "between", "reason"),
    [
        (change(changed=0.0, distance=0.0), [5.0], 4.0, "nothing was unlearned"),
        (change(cosine=0.01), [50.0], 4.0, "another base"),
        (change(), [0.0], None, "the gold model"),
        (change(), [3.0, 5.0], 4.0, "the gold model, or made from it: 3 from it"),
        (change(cosine=0.4), [0.0, 5.0], 4.0, "the gold model"),
        (change(), [5.0, 6.0], 4.0, None),
        (change(distance=1.0), [3.0, 3.5], 4.0, None),  # nearer to where it started than to any gold
        (change(), [5.0], None, None),
        (change(), [], None, None),
    ],
)
def test_what_is_refused(found, to_golds, between, reason):
    said = refusal(found, to_golds, between)
    assert said == reason if reason is None else reason in said
