"""Extraction strength and exact memorization: by hand, and by open-unlearning's own search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate_metrics.exact_memorization.compute import exact_memorization
from evaluate_metrics.extraction_strength.compute import extraction_strength, extraction_strengths

ROWS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12), min_size=1, max_size=6)


def strength_by_search(hits: list[int]) -> float:
    """open-unlearning's loop over k (src/evals/metrics/memorization.py), but for a last token that is missed.

    There its loop ends at k = T - 1, which gives 1/T; the definition gives 0.
    """
    for k in range(len(hits)):
        if all(hits[k:]):
            return 1 - k / len(hits)
    return 0.0


def test_by_hand():
    """0101: the rest follows after three of four tokens. 11: from the start. 10: the last token is another one."""
    assert extraction_strengths([[0, 1, 0, 1], [1, 1], [1, 0]]).tolist() == [0.25, 1.0, 0.0]
    assert exact_memorization([[0, 1, 0, 1], [1, 1], [1, 0]]) == pytest.approx((0.5 + 1 + 0.5) / 3)


@given(ROWS)
def test_as_open_unlearning_has_it(rows):
    assert extraction_strength(rows) == pytest.approx(np.mean([strength_by_search(row) for row in rows]))
    assert exact_memorization(rows) == pytest.approx(np.mean([sum(row) / len(row) for row in rows]))
    assert extraction_strength(rows) <= exact_memorization(rows) + 1e-12


@given(ROWS)
def test_order_of_examples_and_kind_of_numbers_change_nothing(rows):
    turned = [np.array(row, dtype=bool) for row in reversed(rows)]
    assert extraction_strength(turned) == pytest.approx(extraction_strength(rows))
    assert exact_memorization(turned) == pytest.approx(exact_memorization(rows))


@pytest.mark.parametrize("metric", [extraction_strength, exact_memorization])
@pytest.mark.parametrize(
    ("hits", "message"),
    [([], "no examples"), ([[1], []], "example 1"), ([[0, 2]], "0 or 1"), ([[1, float("nan")]], "0 or 1")],
)
def test_bad_input_is_named(metric, hits, message):
    with pytest.raises(ValueError, match=message):
        metric(hits)
