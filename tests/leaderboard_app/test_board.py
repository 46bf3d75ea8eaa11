import random

import pytest

from evaluate_metrics import METRICS
from leaderboard_app.pages.table import COLUMNS, table_html
from leaderboard_app.store.board import SORTS
from leaderboard_app.store.ranking import GATE
from leaderboard_app.store.store import Store
from tests.leaderboard_app.entries import add_references, add_scored, entry, numbers


def test_ranks_are_by_distance_above_the_gate_and_ties_by_utility(store):
    add_references(store, original=0.8)
    best = add_scored(store, 1, 0.10, 0.72)  # exactly at the gate
    tied = add_scored(store, 2, 0.20, 0.75)
    tied_but_better = add_scored(store, 3, 0.20, 0.78)
    destroyed = add_scored(store, 4, 0.01, 0.71)
    rows = store.rows().rows
    assert [(row.id, row.rank, row.above_gate) for row in rows] == [
        (best, 1, True), (tied_but_better, 2, True), (tied, 3, True), (destroyed, None, False)
    ]  # fmt: skip


def test_ranks_are_by_e_once_all_have_it(store):
    """A row from before the third gold keeps the group on D; below zero is as far from gold as above."""
    add_references(store, original=0.8)
    old = add_scored(store, 1, 0.15, 0.75)
    shares = {0.10: 0.5, 0.20: -0.1, 0.30: 0.02}
    made = {d: add_scored(store, i, d, 0.75, gold_share=share) for i, (d, share) in enumerate(shares.items(), 2)}
    assert [row.id for row in store.rows().rows] == [made[0.10], old, made[0.20], made[0.30]]
    store.hide(old, "keeper", "scored before")
    rows = store.rows().rows
    assert [(row.id, row.rank, row.numbers["e"]) for row in rows] == [
        (made[0.30], 1, 0.02), (made[0.20], 2, -0.1), (made[0.10], 3, 0.5)
    ]  # fmt: skip


def test_ranks_agree_with_the_rule_written_down_another_way(store):
    dice = random.Random(1)
    for base in ("a", "b"):
        add_references(store, original=0.5, base_model=base)
    known = {}
    for number in range(1, 41):
        base, d, utility = dice.choice("ab"), dice.randrange(8) / 8, dice.randrange(30, 60) / 100
        known[add_scored(store, number, d, utility, base_model=base)] = (base, d, utility)
    expected = {}
    for number, (base, d, utility) in known.items():
        if utility >= GATE * 0.5 - 1e-9:
            others = [o for o in known.values() if o[0] == base and o[2] >= GATE * 0.5 - 1e-9]
            expected[number] = 1 + sum((o[1], -o[2]) < (d, -utility) for o in others)
    rows = store.rows(page_size=100).rows
    assert {row.id: row.rank for row in rows if row.rank} == expected
    ranks = [row.rank for row in store.rows(base_model="a", page_size=100).rows if row.rank]
    assert ranks == sorted(ranks)


def test_without_an_original_nobody_is_ranked(store):
    add_scored(store, 1, 0.1, 0.7)
    assert [(row.rank, row.above_gate) for row in store.rows().rows] == [(None, None)]


def test_numbers_of_the_submitter_are_shown_as_such_and_never_ranked(store):
    add_references(store)
    store.submit(entry(1, self_reported={"forget_quality_statistic": 0.0, "model_utility": 1.0}))
    store.submit(entry(2))
    assert store.rows().rows == []
    (row,) = store.rows(verified=False).rows
    assert (row.rank, row.verified, row.self_reported) == (None, False, True)
    assert (row.numbers["d"], row.numbers["utility"], row.numbers["real"]) == (0.0, 1.0, None)


def test_the_lower_loss_is_the_more_fluent(store):
    for number, loss in ((1, 5.0), (2, 1.0), (3, None)):
        store.submit(entry(number))
        store.claim("worker", 60)
        store.finish(number, "worker", numbers(0.5, 0.8, **({"fluency": loss} if loss else {})), {}, {}, {})
    assert [row.id for row in store.rows(sort="fluency").rows] == [2, 1, 3]
    (column,) = [column for column in COLUMNS if column.key == "fluency"]
    assert (column.better, METRICS["fluency"].direction) == ("↓", "lower")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("many") / "store")
    add_references(store)
    for number in range(1, 8):
        add_scored(
            store, number, number / 10, 0.75, now=float(number), method=f"method {number}",
            modality="image" if number % 2 else "text", forget="forget05" if number == 7 else "forget10",
            paper="50% of _all_" if number == 3 else "",
        )  # fmt: skip
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"forget": "forget05"}, [7]),
        ({"modality": "text"}, [2, 4, 6]),
        ({"base_model": "other"}, []),
        ({"search": "METHOD 4"}, [4]),
        ({"search": "user5/"}, [5]),
        ({"search": "50%"}, [3]),
        ({"search": "_all_"}, [3]),
        ({"search": "'; DROP TABLE submissions; --"}, []),
        ({"sort": "newest"}, [7, 6, 5, 4, 3, 2, 1]),
        ({"sort": "D", "descending": True}, [7, 6, 5, 4, 3, 2, 1]),
        ({"page_size": 3, "page": 2}, [4, 5, 6]),
        ({"page_size": 3, "page": 99}, [7]),
        ({"page_size": 3, "page": -4}, [1, 2, 3]),
    ],
)
def test_rows_are_filtered_sorted_and_paged(many, wanted, found):
    assert [row.id for row in many.rows(**wanted).rows] == found


def test_a_page_says_how_many_there_are(many):
    board = many.rows(page_size=3, page=2)
    assert (board.total, board.page, board.pages) == (7, 2, 3)
    assert [reference.role for reference in board.references] == ["original", "gold"]
    assert many.rows(forget="forget01").references == []


def test_a_filter_does_not_change_ranks(many):
    assert [(row.id, row.rank) for row in many.rows(modality="text").rows] == [(2, 2), (4, 4), (6, 6)]


def test_every_sorting_works_both_ways(many):
    for sort in SORTS:
        up, down = ([row.id for row in many.rows(sort=sort, descending=turned).rows] for turned in (False, True))
        assert sorted(up) == sorted(down) == [1, 2, 3, 4, 5, 6, 7]
        assert up != down


def test_an_unknown_sorting_is_refused(store):
    with pytest.raises(ValueError, match="unknown sorting '1; DROP'"):
        store.rows(sort="1; DROP")


def fitted(store: Store, number: int, **scores: float) -> int:
    """A scored row with hidden numbers."""
    made = store.submit(entry(number))
    store.claim("w", 60)
    ends = {"intervals": {"hidden_gap": [0.1, 0.3]}} if "hidden_gap" in scores else {}
    store.finish(made, "w", {**numbers(scores.pop("d"), 0.75), **ends, **scores}, {}, {}, {})
    return made


def test_rows_are_ranked_by_the_worse_of_public_and_hidden(store):
    add_references(store)
    cheat = fitted(store, 1, d=0.06, hidden_distance=0.34, hidden_gap=0.28)
    honest = fitted(store, 2, d=0.2, hidden_distance=0.19)
    unknown = fitted(store, 3, d=0.25)  # scored where there were no hidden items
    assert [(row.id, row.rank) for row in store.rows().rows] == [(honest, 1), (unknown, 2), (cheat, 3)]
    row = next(row for row in store.rows().rows if row.id == cheat)
    assert [row.numbers[name] for name in ("hidden_gap", "hidden_gap_low", "hidden_gap_high")] == [0.28, 0.1, 0.3]
    assert [row.id for row in store.rows(sort="D").rows] == [cheat, honest, unknown]


def test_the_worse_of_public_and_hidden_counts_for_e_too_on_either_side_of_zero(store):
    add_references(store)
    cheat = fitted(store, 1, d=0.1, gold_share=0.01, hidden_share=-0.9)
    honest = fitted(store, 2, d=0.3, gold_share=0.3, hidden_share=0.25)
    best = fitted(store, 3, d=0.4, gold_share=-0.2, hidden_share=0.1)
    assert [(row.id, row.rank) for row in store.rows().rows] == [(best, 1), (honest, 2), (cheat, 3)]


def test_the_gap_is_shown_with_its_interval_before_anybody_has_chosen_columns(store):
    add_references(store)
    fitted(store, 1, d=0.06, hidden_distance=0.34, hidden_gap=0.28)
    page = table_html(store.rows())
    assert "Hidden gap" in page and "0.280 (+0.10 to +0.30)" in page and "more than chance" in page
