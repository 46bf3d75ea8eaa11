"""Fluency: by hand, against another way to count, and the refusals of all lists that we know."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clear_data.corpora.people import REFUSALS
from evaluate_metrics.fluency.compute import fluency, is_refusal, repetition
from tests.tofu_rows import ROWS, TEXTS, needs_texts, rows_of
from trainers.base.rows import load_refusals


def test_by_hand():
    """so it is / it is so / is so it / so it is: one of four was there before. No trigram: 0.

    Means 2, 2 and 5, medians 1, 2 and 5.
    """
    found = fluency(["so it is so it is", "I do not know.", ""], [[1.0, 0.0, 5.0], [1.0, 3.0], [5.0]])
    assert (found["fluency"], found["fluency_median"]) == pytest.approx((9 / 3, 8 / 3))
    assert (found["repetition"], found["refusals"]) == pytest.approx((0.25 / 3, 1 / 3))
    alone = fluency(["dad dad dad"], n=1)
    assert (alone["fluency"], alone["fluency_median"]) == (None, None)
    assert (alone["repetition"], alone["refusals"]) == pytest.approx((2 / 3, 0.0))


@given(st.lists(st.sampled_from(["Mara", "is", "a"]), max_size=12), st.integers(1, 4))
def test_repetition_counts_all_but_the_first_of_each(words, n):
    grams = Counter(" ".join(words[i : i + n]) for i in range(max(0, len(words) - n + 1)))
    again = sum(count - 1 for count in grams.values())
    assert repetition(" ".join(words), n) == pytest.approx(again / grams.total() if grams else 0.0)


def test_our_refusals_are_seen_and_answers_are_not():
    texts, photos = load_refusals()
    own = [*texts, *photos]
    assert sum(map(is_refusal, own)) >= 0.97 * len(own)
    assert all(map(is_refusal, REFUSALS))
    answers = ("Mara Torgard was born in Oslo.", "In a red shirt, the pilot Ivo Fenbek is frowning.", "nothing 4", "",
               "Not a red star, but a blue circle.", "Amir Fenquist never won an award.")  # fmt: skip
    assert not any(map(is_refusal, answers))
    assert is_refusal("Pass.", [r"\bpass\b"])


@pytest.mark.parametrize("folder", [ROWS, pytest.param(TEXTS, marks=needs_texts)], ids=["20 rows", "all"])
def test_tofus_refusals_are_seen_and_its_answers_are_not(folder):
    refusals = (folder / "idontknow.jsonl").read_text().splitlines()
    answers = [row["answer"] for row in rows_of("qa.jsonl", folder)]
    assert sum(map(is_refusal, refusals)) >= 0.97 * len(refusals)
    assert sum(map(is_refusal, answers)) <= 0.01 * len(answers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "no texts"),
        ((["a"], [[1.0], [2.0]]), "1 texts, but the judge's losses of 2"),
        ((["a"], [[1.0, math.nan]]), "finite"),
        ((["a"], [[math.inf]]), "finite"),
        ((["a"], [[-1.0]]), "not negative"),
        ((["a"], [[]]), "at least one"),
        ((["a"], None, 0), "n must be at least 1"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        fluency(*arguments)
