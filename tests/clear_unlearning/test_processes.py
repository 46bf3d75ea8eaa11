import pytest

from clear_unlearning.processes import Processes, deal


def test_work_is_dealt_out_evenly_and_goes_on_from_what_each_has():
    loads = [0, 0, 0]
    costs = [7, 1, 5, 3, 3, 2, 6, 3]
    owners = deal(costs, loads)
    assert sum(loads) == sum(costs) and max(loads) - min(loads) <= 1
    assert loads == [sum(c for c, o in zip(costs, owners, strict=True) if o == index) for index in range(3)]
    assert deal([4, 4], [10, 0, 5]) == [1, 1]


def test_alone_everything_is_ones_own_and_errors_come_through():
    alone = Processes()
    assert (alone.index, alone.count, alone.device) == (0, 1, None)
    assert alone.gather("mine") == ["mine"]
    assert (alone.add(3), alone.add(2)) == (3, 5)
    with pytest.raises(ValueError, match="wrong"), alone.together():
        raise ValueError("wrong")
