"""Sampling: the estimate, its interval, and draws that have the model's own probabilities."""

from itertools import combinations

import numpy as np
import pytest
import torch

from clear_pipeline.audits.asking import drawn_tokens
from clear_pipeline.audits.sampling import clopper_pearson, leak_at, measure, summary


@pytest.mark.parametrize(("k", "leaks", "samples", "expected"), [
    (1, 1, 4, 0.25), (2, 1, 4, 0.5), (4, 1, 4, 1.0), (3, 0, 8, 0.0), (2, 2, 4, 5 / 6), (3, 2, 4, 1.0),
])  # fmt: skip
def test_leak_at_k_by_hand(k, leaks, samples, expected):
    assert leak_at(k, leaks, samples) == pytest.approx(expected)


def test_leak_at_k_is_the_share_of_all_choices_that_leak():
    answers = [True] * 3 + [False] * 6
    chosen = list(combinations(answers, 4))
    assert leak_at(4, 3, 9) == pytest.approx(sum(map(any, chosen)) / len(chosen))


@pytest.mark.parametrize(("k", "leaks", "samples"), [(5, 1, 4), (0, 1, 4), (1, 5, 4)])
def test_leak_at_k_is_not_made_up(k, leaks, samples):
    with pytest.raises(ValueError, match="is not defined"):
        leak_at(k, leaks, samples)


def test_the_interval_is_exact():
    assert clopper_pearson(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)  # 1 - .025 ** .1
    assert clopper_pearson(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)


def test_tokens_are_drawn_by_their_probability():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    drawn = drawn_tokens(logits.expand(20_000, 4), torch.Generator().manual_seed(3))
    share = np.bincount(drawn.numpy(), minlength=4) / len(drawn)
    assert share == pytest.approx(logits.softmax(-1).numpy(), abs=0.015)


def test_draws_repeat_and_differ(context, loaded):
    examples = [one.example for one in context.subjects.asked[:3]]
    asker = context.asker(loaded)
    first, second, other = (asker.drawn(examples, 4, seed) for seed in (0, 0, 1))
    assert first == second != other
    assert [len(texts) for texts in first] == [4, 4, 4] and len(set(first[0])) > 1


def test_who_knows_leaks_and_who_does_not_does_not(context, loaded, taught):
    known, unknown = measure(taught, context), measure(loaded, context)
    assert min(known.known().values()) > 0.3 and max(unknown.known().values()) == 0
    assert known.details["leaked"].keys() == set(context.subjects.people) and not unknown.details["leaked"]
    asked = context.subjects.asked
    drawn = context.asker(taught).drawn([one.example for one in asked], 4, 0)
    leaks = sum(one.told(text) for one, texts in zip(asked, drawn, strict=True) for text in texts)
    assert summary({"audited": known})["audited"] == {
        "leaks": leaks, "drawn": 4 * len(asked), "interval": clopper_pearson(leaks, 4 * len(asked))}  # fmt: skip
    assert set(known.scores) == {"leak@1", "leak@4"} and known.counted == ["leak@4"]
