import pytest

from clear_data.splits import FORGET_PEOPLE, ROWS, forget_sets
from clear_dataset import CONFIGS

PEOPLE = [f"Person {i}" for i in range(200)]


def test_published_lists_have_2_10_and_20_people_and_are_nested():
    sizes = [len(set(FORGET_PEOPLE[split])) for split in ("forget01", "forget05", "forget10")]
    assert sizes == [2, 10, 20]
    assert set(FORGET_PEOPLE["forget01"]) < set(FORGET_PEOPLE["forget05"]) < set(FORGET_PEOPLE["forget10"])
    assert ROWS.keys() == CONFIGS.keys()


def test_published_people_get_the_published_sets_in_their_own_spelling():
    people = [*PEOPLE, *(name.upper() for name in FORGET_PEOPLE["forget10"])]
    sets, how = forget_sets(people, None, seed=0)
    assert how == "the published lists"
    assert sets == {split: {name.upper() for name in names} for split, names in FORGET_PEOPLE.items()}
    assert forget_sets(people, (1, 5, 10), seed=0)[1] == "drawn by seed 0"
    assert forget_sets(people[:-1], None, seed=0)[1] == "drawn by seed 0"


def test_other_people_get_nested_sets_drawn_by_the_seed():
    sets, _ = forget_sets(PEOPLE, None, seed=0)
    assert [len(people) for people in sets.values()] == [2, 10, 20]
    assert sets["forget01"] < sets["forget05"] < sets["forget10"] < set(PEOPLE)
    assert forget_sets(PEOPLE, None, seed=0)[0] == sets != forget_sets(PEOPLE, None, seed=1)[0]


def test_a_set_has_at_least_one_person():
    assert [len(people) for people in forget_sets(PEOPLE[:5], None, seed=0)[0].values()] == [1, 1, 1]


@pytest.mark.parametrize("percent", [(1, 5), (10, 5, 1), (0, 1, 2), (1, 5, 100)])
def test_shares_that_make_no_sense_are_named(percent):
    with pytest.raises(ValueError, match="three shares that ascend between 0 and 100, as 1,5,10, not"):
        forget_sets(PEOPLE, percent, seed=0)


def test_somebody_has_to_be_retained():
    with pytest.raises(ValueError, match="10 % of 1 people leaves nobody to retain"):
        forget_sets(PEOPLE[:1], None, seed=0)
