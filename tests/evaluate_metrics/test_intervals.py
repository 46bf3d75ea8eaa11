import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from evaluate_metrics.intervals import (
    percentiles,
    permutation_p,
    resampled_weights,
    weighted_distances,
    weighted_means,
)

PEOPLE = [f"person {i // 4}" for i in range(40)]


def test_a_person_is_drawn_with_all_rows_or_none():
    weights = resampled_weights(PEOPLE, resamples=50)
    assert weights.shape == (50, 40)
    assert (weights.sum(1) == 40).all()
    assert (weights.reshape(50, 10, 4) == weights.reshape(50, 10, 4)[:, :, :1]).all()


def test_tasks_about_the_same_people_share_their_draws_and_others_do_not():
    """The rows may come in another order and number: it is the people that are drawn."""
    one, two = resampled_weights(PEOPLE, 50), resampled_weights([f"person {i % 10}" for i in range(20)], 50)
    assert (one[:, ::4] == two[:, :10]).all()
    other = resampled_weights([f"somebody {i // 4}" for i in range(40)], 50)
    assert (one != other).any()
    assert (one == resampled_weights(PEOPLE, 50)).all()
    assert (one != resampled_weights(PEOPLE, 50, seed=1)).any()


def test_intervals_of_clustered_rows_are_as_wide_as_those_of_people():
    """Rows that only repeat their person carry no information: 10 values, whatever the number of rows."""
    dice = np.random.default_rng(0)
    by_person = dice.normal(size=10)
    few = percentiles(weighted_means(by_person, resampled_weights([str(i) for i in range(10)])), 10)
    clustered = resampled_weights([str(i // 30) for i in range(300)])
    many = percentiles(weighted_means(np.repeat(by_person, 30), clustered), 10)
    assert many == pytest.approx(few)
    assert few[0] < by_person.mean() < few[1]


@pytest.mark.parametrize("people", [8, 20, 40])
def test_intervals_hold_the_truth_about_as_often_as_they_say(people):
    """Samples of people with 5 rows each around a mean of 0: 95 % of the intervals hold it, of few people or many."""
    dice = np.random.default_rng(1)
    weights = resampled_weights([str(i // 5) for i in range(5 * people)])
    held = 0
    for _ in range(1000):
        values = np.repeat(dice.normal(size=people), 5) + 0.3 * dice.normal(size=5 * people)
        low, high = percentiles(weighted_means(values, weights), people)
        held += low <= 0 <= high
    assert 0.92 < held / 1000 < 0.975


@pytest.mark.parametrize("seed", range(5))
def test_distances_equal_scipys(seed):
    """With ties, and with a weight of 2 for a value that scipy gets twice."""
    dice = np.random.default_rng(seed)
    one, other = np.round(dice.normal(size=30), 1), np.round(dice.normal(0.4, 1, size=23), 1)
    weights = dice.integers(0, 4, 30), dice.integers(0, 4, 23)
    ks, area = weighted_distances(one, other, weights[0][None], weights[1][None])
    spread = np.repeat(one, weights[0]), np.repeat(other, weights[1])
    assert ks[0] == pytest.approx(ks_2samp(*spread).statistic)
    assert area[0] == pytest.approx(wasserstein_distance(*spread))


def test_permutation_tells_models_apart_and_not_a_model_from_itself():
    dice = np.random.default_rng(2)
    gold = dice.normal(size=40)
    assert permutation_p(gold, gold, PEOPLE) == 1.0
    assert permutation_p(gold + 3, gold, PEOPLE) < 0.01
    with pytest.raises(ValueError, match="39 and 40 rows"):
        permutation_p(gold[:39], gold, PEOPLE)


def test_permutation_by_hand():
    """Eight people with a row each, all moved the same way: of 256 ways to swap, only none and all give D = 1."""
    one, other = np.arange(8) + 10.0, np.arange(8.0)
    assert permutation_p(one, other, list("abcdefgh")) == 2 / 256
    many = np.arange(13.0)  # too many to count them all: drawn, as it was among them
    assert permutation_p(many + 20, many, list("abcdefghijklm"), permutations=999) == pytest.approx(0.001, abs=0.001)


def test_permutation_is_even_where_models_do_not_differ():
    """Two golds answer the same rows of the same people: small p must be as rare as they say, however many rows."""
    dice = np.random.default_rng(3)
    small = 0
    for trial in range(200):
        person = np.repeat(dice.normal(size=10), 4)
        one, other = (person + np.repeat(dice.normal(size=10), 4) + 0.1 * dice.normal(size=40) for _ in range(2))
        small += permutation_p(one, other, PEOPLE, permutations=200, seed=trial) <= 0.1
    assert small / 200 < 0.17


@pytest.mark.parametrize("people", [["a"] * 9, list("abcde")])
def test_few_people_are_named(people):
    with pytest.raises(ValueError, match=f"at least 6 people, and there are {len(set(people))}"):
        resampled_weights(people)
    with pytest.raises(ValueError, match="at least 6 people"):
        permutation_p(np.zeros(len(people)), np.zeros(len(people)), people)
