"""What `benchmarks/coverage.py` counts: intervals hold what they say, and a gold model is rarely rejected."""

import pytest

from benchmarks.coverage import js_floors, simulate


@pytest.mark.slow
@pytest.mark.parametrize("people", [8, 20, 40])
def test_intervals_and_tests_hold_what_they_say(people):
    rates = simulate(people, 500)
    error = 0.01  # standard error of a share of .95 in 500 draws
    assert 0.93 - error <= rates.expanded <= 0.97 + error
    assert 0.92 - error <= rates.share <= 0.99
    assert rates.permutation <= 0.07
    assert 0.03 - error <= rates.rank <= 0.07 + error
    # Neither p-value knows of seeds: both reject golds more often than 5 %.
    assert rates.permutation_seeds > rates.permutation


def test_js_says_its_floor():
    for _, seen, floor in js_floors(150):
        assert floor == pytest.approx(seen, abs=0.06)
