"""Membership and privleak: by hand, against scikit-learn and open-unlearning, and blind to what is equal."""

import math
import random
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from evaluate_metrics.intervals import weighted_aucs
from evaluate_metrics.membership.compute import attack_scores, auc, blind_scores, membership, true_positive_rate
from evaluate_metrics.privleak.compute import attack_auc, privleak

SCORES = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30)


@given(SCORES, SCORES)
def test_rates_are_those_of_scikit_learn(members, others):
    labels, scores = [1] * len(members) + [0] * len(others), members + others
    assert auc(members, others) == pytest.approx(roc_auc_score(labels, scores))
    assert attack_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    for rate in (0.01, 0.2):
        false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
        assert true_positive_rate(members, others, rate) == pytest.approx(true[false <= rate + 1e-9].max())
    ones = np.ones((1, len(members))), np.ones((1, len(others)))
    assert weighted_aucs(np.array(members), np.array(others), *ones)[0] == pytest.approx(auc(members, others))


def test_a_weight_of_two_is_a_row_twice():
    one, other = np.array([1.0, 3.0]), np.array([2.0, 3.0, 0.0])
    weighted = weighted_aucs(one, other, np.array([[2, 1]]), np.array([[1, 0, 3]]))
    assert weighted[0] == pytest.approx(auc([1, 1, 3], [2, 0, 0, 0]))


def test_attacks_by_hand():
    """Two tokens of log 1/2 and log 1/8; k = .4 looks at one. (log 1/8 + 1) / 2 is below (log 1/2 + 1) / 1."""
    low, high = math.log(1 / 8), math.log(1 / 2)
    found = attack_scores([[high, low]], [[-1.0, -1.0]], [[1.0, 2.0]], ["aaaa"])
    assert found["loss"][0] == pytest.approx((high + low) / 2)
    assert found["zlib"][0] == pytest.approx((high + low) / 2 / len(zlib.compress(b"aaaa")))
    assert found["min_k"][0] == pytest.approx(low)
    assert found["min_k_plus_plus"][0] == pytest.approx((low + 1) / 2)


def test_attacks_are_open_unlearnings_on_logits():
    """Their arithmetic (src/evals/metrics/mia) on logits; theirs is high for strangers, ours for members."""
    torch.manual_seed(0)
    rows = []
    for length in (1, 3, 9, 20):
        log_probs = (3 * torch.randn(length, 50)).log_softmax(-1).double()
        targets = torch.randint(50, (length,))
        rows.append((log_probs, log_probs[range(length), targets]))
    theirs: dict[str, list[float]] = {"loss": [], "min_k": [], "min_k_plus_plus": []}
    means, stds = [], []
    for every, own in rows:
        mu = (every.exp() * every).sum(-1)
        sigma = (every.exp() * every.square()).sum(-1) - mu.square()
        means.append(mu.tolist())
        stds.append(sigma.sqrt().tolist())
        least = max(1, int(len(own) * 0.4))
        theirs["loss"].append(-own.mean().item())
        theirs["min_k"].append(-np.mean(np.sort(own.numpy())[:least]))
        theirs["min_k_plus_plus"].append(-np.mean(sorted(((own - mu) / sigma.sqrt()).tolist())[:least]))
    ours = attack_scores([own.tolist() for _, own in rows], means, stds, ["text"] * len(rows))
    for attack, scores in theirs.items():
        assert ours[attack] == pytest.approx(-np.array(scores))


def people_of(count: int, rows: int, first: int) -> list[str]:
    return [f"Person {first + i}" for i in range(count) for _ in range(rows)]


def test_the_blind_attack_sees_what_a_group_shares_and_not_a_person():
    dice = random.Random(0)
    people = people_of(30, 4, 0) + people_of(30, 4, 100)
    labels = [1] * 120 + [0] * 120
    alike = [f"{name} wears {dice.choice(['red', 'blue', 'green'])}" for name in people]  # a name gives nobody away
    apart = [text + (" today" if label else "") for text, label in zip(alike, labels, strict=True)]
    longer = [text + (" and" * 3 if label else " and") for text, label in zip(alike, labels, strict=True)]
    member = np.array(labels) == 1
    found = {}
    for name, texts in (("alike", alike), ("apart", apart), ("longer", longer)):
        scores = blind_scores(texts, labels, people)
        found[name] = auc(scores[member], scores[~member])
    assert 0.35 < found["alike"] < 0.6
    assert found["apart"] > 0.95
    assert found["longer"] > 0.95


def rows_of(gap: float) -> dict:
    """Members whose tokens are likelier by `gap` nats, of texts that are alike."""
    dice = random.Random(1)
    people = people_of(8, 4, 10) + people_of(8, 4, 50)
    labels = [1] * 32 + [0] * 32
    log_probs = [[dice.gauss(-3 + gap * label, 0.5) for _ in range(6)] for label in labels]
    flat = [[value] * 6 for value in (-2.0, 1.0)]
    return {
        "log_probs": log_probs, "labels": labels, "means": [flat[0]] * 64, "stds": [flat[1]] * 64,
        "texts": [f"{name} is here" for name in people], "people": people,
    }  # fmt: skip


def test_a_model_that_knows_is_told_from_one_that_does_not():
    knows, ignorant = membership(**rows_of(2.0)), membership(**rows_of(0.0))
    for attack in ("loss", "zlib", "min_k", "min_k_plus_plus"):
        assert knows[f"auc_{attack}"] > 0.95
        assert 0.3 < ignorant[f"auc_{attack}"] < 0.7
        assert knows[f"tpr_{attack}"] > 0.5
    assert knows["auc_blind"] == ignorant["auc_blind"]
    assert knows["auc_tokens"] == 0.5
    assert knows["warnings"][-1].startswith("32 held-out examples")
    assert (knows["members"], knows["others"]) == (32, 32)


def test_texts_that_differ_by_themselves_are_warned_of():
    rows = rows_of(0.0)
    rows["texts"] = [text + " today" * label for text, label in zip(rows["texts"], rows["labels"], strict=True)]
    rows["log_probs"] = [row[: 6 - label] for row, label in zip(rows["log_probs"], rows["labels"], strict=True)]
    rows |= {name: [row[: 6 - label] for row, label in zip(rows[name], rows["labels"], strict=True)]
             for name in ("means", "stds")}  # fmt: skip
    warnings = membership(**rows)["warnings"]
    assert "sees no model, blind, tells the sets apart (AUC 1.00)" in warnings[0]
    assert "sees no model, tokens, tells the sets apart (AUC 1.00)" in warnings[1]


def test_row_order_changes_nothing():
    rows = rows_of(0.5)
    order = list(range(64))
    random.Random(3).shuffle(order)
    assert membership(**{name: [column[i] for i in order] for name, column in rows.items()}) == membership(**rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [1] * 64}, r"both; seen \[1\]"),
        ({"labels": [2, 0] * 32}, r"seen \[0, 2\]"),
        ({"texts": ["a"]}, "differ in number"),
        ({"people": ["one"] * 32 + ["two"] * 32}, r"two people on each side; there are \[1, 1\]"),
        ({"means": [[0.0]] * 64}, "example 0: 6 tokens, 1 means"),
        ({"stds": [[math.nan] * 6] * 64}, "example 0: .* finite"),
        ({"log_probs": [[-math.inf] * 6] * 64}, "example 0: .* finite"),
        ({"k": 0.0}, "k must be above 0"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        membership(**{**rows_of(0.0), **change})


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_privleak_is_open_unlearnings(a, gold):
    score, ref = 1 - a, 1 - gold  # src/evals/metrics/privacy.py
    found = privleak(a, gold)
    assert found["privleak"] == pytest.approx((score - ref) / (ref + 1e-10) * 100, rel=1e-6, abs=1e-6)
    assert found["relative_difference"] == pytest.approx((a - gold) / (gold + 1e-10) * 100, rel=1e-6, abs=1e-6)
    assert privleak(gold, gold) == {"privleak": 0.0, "relative_difference": 0.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: privleak(1.5, 0.5), "auc must be between 0 and 1, not 1.5"),
        (lambda: privleak(0.5, math.nan), "gold_auc must be between 0 and 1, not nan"),
        (lambda: privleak(0.5, 1), "gold model's AUC is 1"),
        (lambda: attack_auc([1.0], [1]), "and both"),
        (lambda: attack_auc([1.0, math.nan], [1, 0]), "finite"),
    ],
)
def test_bad_input_of_privleak_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
