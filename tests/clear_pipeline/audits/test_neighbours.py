"""Neighbours: who is like whom, by hand, what is asked beside them, and what they lose."""

from dataclasses import replace

import pytest

from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.measured import Measured
from clear_pipeline.audits.neighbours import (
    CLOSE,
    FAR,
    FIRST,
    LAST,
    NEAR,
    beside_a_neighbour,
    facts_of_others,
    likeness,
    measure,
    ranked,
    summary,
    together,
    words_of,
)  # fmt: skip
from clear_pipeline.audits.people import Asked
from clear_unlearning.tasks import Example


def fact(person: str, question: str, *secret: str) -> Asked:
    return Asked("fact", person, secret, Example(question, f"It is {' '.join(secret)}.", person=person))


def test_likeness_by_hand():
    ana = {"riga", "baker", "chess"}
    assert likeness(ana, {"riga", "pilot"}) == pytest.approx(1 / 4) and likeness(set(), set()) == 0
    others = {"ivo": {"oslo"}, "bo": {"riga", "pilot"}, "cy": {"lima"}, "di": {"riga", "baker"}}
    assert ranked(ana, others) == ["di", "bo", "ivo", "cy"]  # 2/3, 1/4, 0, 0


def test_a_question_is_put_beside_one_that_does_not_tell_its_secret():
    ana = [fact("Ana", "Ana's town?", "riga"), fact("Ana", "Ana's work?", "baker"), fact("Ana", "Ana's game?", "go")]
    staying = [fact("Di", "Di's town?", "riga"), fact("Di", "Di's work?", "pilot"), fact("Bo", "Bo's town?", "oslo")]
    pairs = beside_a_neighbour(ana, staying, {"Ana": "Di"})
    # Riga would be told by Di's own town; after that the questions come in turn.
    assert [(one.secret, other.secret) for one, other in pairs] == [
        (("riga",), ("pilot",)), (("baker",), ("pilot",)), (("go",), ("riga",))
    ]  # fmt: skip
    assert beside_a_neighbour(ana[:1], staying[:1], {"Ana": "Di"}) == []
    joined = together(*pairs[0], "{other} {own}")
    assert joined.example.question == "Di's work? Ana's town?" and joined.told("riga") and not joined.told("pilot")


def test_what_neighbours_lose_by_hand():
    def told(near: float, far: float) -> Measured:
        return Measured({NEAR: {"a": [near], "b": [near]}, FAR: {"a": [far], "b": [far]}}, [NEAR])

    found = summary({"gold 1": told(0.8, 0.9), "gold 2": told(1.0, 0.9), "audited": told(0.4, 0.8)})
    assert found["audited"][NEAR] == pytest.approx({"told": 0.4, "less_than_gold": 0.5})
    assert found["audited"][FAR] == pytest.approx({"told": 0.8, "less_than_gold": 0.1})
    assert found["gold 1"][NEAR]["less_than_gold"] == pytest.approx(0.2)
    assert summary({"audited": told(1.0, 1.0)})["audited"][NEAR]["less_than_gold"] is None


def test_neighbours_stay_and_are_nearer_than_the_furthest(context, loaded):
    found = measure(loaded, context)
    assert list(found.scores) == [NEAR, FAR, FIRST, LAST] and found.counted == [FIRST, LAST]
    staying = facts_of_others(context.data, 0)
    others = {one.person for one in staying}
    for person, names in found.details["neighbours"].items():
        own = words_of(context.subjects.of("fact"), person)
        assert len(names) == CLOSE and person not in others
        nearest = likeness(own, words_of(staying, names[0]))
        assert nearest == max(likeness(own, words_of(staying, other)) for other in others)
    with pytest.raises(NotPossible, match="facts about people to be forgotten, and about 4 who stay"):
        measure(loaded, replace(context, subjects=replace(context.subjects, retain=None)))
