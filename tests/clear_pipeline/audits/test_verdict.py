"""The verdict: bounds from gold, lights, shares and intervals, by hand."""

import pytest

from clear_pipeline.audits import AUDITS, chosen_audits
from clear_pipeline.audits.measured import Measured
from clear_pipeline.audits.verdict import control, evidence, light, numbers, people_of, reach, reach_of_strangers

PEOPLE = ["a", "b"]


def test_with_one_gold_the_bound_is_what_it_varies_between_people():
    assert reach([{"a": 0.1, "b": 0.5}]) == pytest.approx(0.2)


def test_with_several_it_is_the_furthest_from_the_others():
    golds = [{"a": 0.1, "b": 0.5}, {"a": 0.4, "b": 0.5}, {"a": 0.1, "b": 0.0}]
    assert reach(golds) == pytest.approx(0.3)  # the second for a
    assert reach(golds, both_ways=True) == pytest.approx(0.5)  # the third for b
    assert reach([{"a": 0.2}, {"a": 0.2}]) == 0.05


@pytest.mark.parametrize(("excess", "both_ways", "expected"), [
    (0.1, False, "green"), (0.15, False, "amber"), (0.21, False, "red"), (-0.9, False, "green"), (-0.9, True, "amber"),
    (-0.05, True, "green"), (0.21, True, "red"),
])  # fmt: skip
def test_the_light(excess, both_ways, expected):
    assert light(excess, 0.1, both_ways) == expected


def measured(**scores: float) -> Measured:
    return Measured({"one": {person: [value, value] for person, value in scores.items()}}, ["one"])


FOUND = {
    "original": measured(a=1.0, b=0.8), "gold 1": measured(a=0.1, b=0.0), "gold 2": measured(a=0.0, b=0.0),
    "audited": measured(a=0.2, b=0.5),
}  # fmt: skip


def test_evidence_of_each_person():
    found = evidence("prompts", FOUND, "audited")
    assert found["a"] == pytest.approx({"score": 0.2, "zero": 0.05, "original": 1.0, "reach": 0.1, "light": "amber"})
    assert found["b"]["light"] == "red"
    assert evidence("prompts", FOUND, "gold 1")["a"]["zero"] == 0.0


def test_the_bound_of_strangers_is_the_furthest_from_the_mean_of_the_others():
    strangers = {"x": 0.0, "y": 0.3, "z": 0.6}
    assert reach_of_strangers(strangers) == pytest.approx(0.6 - 0.15)
    assert reach_of_strangers({**strangers, "x": -0.3}, both_ways=True) == pytest.approx(0.3 + 0.45)
    assert reach_of_strangers({"x": 0.2, "y": 0.2}) == 0.05


def test_without_a_gold_strangers_are_the_zero():
    found = {
        "original": measured(a=1.0, b=0.9), "strangers": measured(x=0.0, y=0.1, z=0.2),
        "audited": measured(a=0.3, b=0.1),
    }  # fmt: skip
    shown = evidence("prompts", found, "audited")
    # Mean .1; the third is .15 above the mean of the others.
    assert shown["a"] == pytest.approx({"score": 0.3, "zero": 0.1, "original": 1.0, "reach": 0.15, "light": "amber"})
    assert shown["b"]["light"] == "green"
    own = numbers("prompts", found, "audited")
    assert own["above_zero"] == pytest.approx(0.1) and own["share"] == pytest.approx(0.1 / 0.85)
    assert numbers("prompts", found, "strangers")["above_zero"] is None
    results = {"answers": found}
    # x and y are not above the others; z is .15 above, where x and y are .1 apart.
    assert control(results, PEOPLE) == {"strangers": {"green": 2, "amber": 1, "red": 0}}
    assert control({"answers": {**found, "strangers": measured(x=0.0, y=0.1)}}, PEOPLE) == {}
    assert people_of(results, "audited", PEOPLE)[0]["because"] == ["answers"]


def test_numbers_of_a_model():
    found = numbers("prompts", FOUND, "audited")
    assert found["score"] == pytest.approx(0.35) and found["above_zero"] == pytest.approx(0.325)
    assert found["share"] == pytest.approx(0.325 / (0.9 - 0.025)) and found["interval"] is None
    assert numbers("prompts", FOUND, "gold 2")["above_zero"] == pytest.approx(-0.05)


def test_six_people_have_an_interval():
    people = {f"p{i}": i / 10 for i in range(8)}
    found = numbers(
        "prompts", {"gold 1": measured(**dict.fromkeys(people, 0.1)), "audited": measured(**people)}, "audited"
    )
    low, high = found["above_zero_interval"]
    assert found["above_zero"] == pytest.approx(0.25) and low < 0.25 < high


def log(ratio: float) -> dict:
    """A forget task of four rows whose log truth ratio is given, with a little noise."""
    rows = range(4)
    return {"eval_log_forget.json": {
        "avg_gt_loss": {str(i): 1.0 for i in rows},
        "avg_paraphrased_loss": {str(i): 2.0 + 0.05 * (i % 2) for i in rows},
        "average_perturb_loss": {str(i): [2.0 + ratio] for i in rows},
        "rougeL_recall": {str(i): 0.1 for i in rows},
    }}  # fmt: skip


def with_log(one: Measured, ratio: float) -> Measured:
    return Measured(one.scores, one.counted, {"log": log(ratio), "person": ["a", "a", "b", "b"]})


def test_the_worst_light_counts_and_the_ledger_is_one():
    golds = {f"gold {i}": with_log(measured(a=0.0, b=0.0), 0.1 * i) for i in (1, 2, 3)}
    results = {"answers": {
        "original": with_log(measured(a=1.0, b=1.0), 5.0), **golds, "audited": with_log(measured(a=0.0, b=0.2), 4.0),
    }}  # fmt: skip
    first, second = people_of(results, "audited", PEOPLE)
    assert first["light"] == "red" and first["because"] == ["ledger"] and first["share"] > 0.5
    assert second["because"] == ["answers", "ledger"]
    assert control(results, PEOPLE).keys() == golds.keys()
    assert all(counts == {"green": 2, "amber": 0, "red": 0} for counts in control(results, PEOPLE).values())


def test_the_worst_condition_counts_and_must_be_there():
    one = Measured({"x": {"a": [0.0, 1.0]}, "y": {"a": [1.0, 1.0]}, "control": {"a": [1.0]}}, ["x", "y"])
    assert one.by_person("x") == {"a": 0.5} and one.known() == {"a": 1.0}
    assert Measured(**one.as_json()) == one
    with pytest.raises(ValueError, match="conditions z were not measured"):
        Measured(one.scores, ["z"])


def test_audits_are_chosen_by_name_and_the_nearest_is_named():
    assert chosen_audits("sampling") == ["answers", "sampling"] and chosen_audits(None) == list(AUDITS)
    with pytest.raises(ValueError, match="unknown audit 'smapling'; did you mean 'sampling'"):
        chosen_audits("smapling,probe")
