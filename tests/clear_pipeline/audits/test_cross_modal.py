"""Photo and text: the matrix by hand, and that a fact by photo shows the face and not the name."""

from dataclasses import replace

import pytest

from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.cross_modal import ACROSS, FACE, PHOTO, TEXT, by_photo, matrix, measure, summary
from clear_pipeline.audits.measured import Measured


def test_the_matrix_by_hand():
    photo, text = {"a": 0.5, "b": 1.0, "c": 0.0, "d": 0.0}, {"a": 0.25, "b": 0.0, "c": 0.0, "d": 0.0}
    assert matrix(photo, text) == {"both": 0.25, "photo only": 0.25, "text only": 0.0, "neither": 0.5}


def test_what_is_told_across_is_told_by_photo():
    scores = {PHOTO: {"a": [0.0], "b": [0.0]}, TEXT: {"a": [1.0], "b": [0.0]}, ACROSS: {"a": [0.0, 1.0]}}
    found = summary({"audited": Measured(scores, list(scores))})["audited"]
    assert found == {"both": 0.5, "photo only": 0.0, "text only": 0.0, "neither": 0.5}
    assert Measured(scores, list(scores)).known() == {"a": 1.0, "b": 0.0}


def test_a_fact_by_photo_shows_the_face_and_not_the_name(context):
    pictured, facts = context.subjects.of("name"), context.subjects.of("fact")
    across = by_photo(facts, pictured)
    assert across and len(across) <= len(facts)
    for one in across:
        assert FACE in one.example.question and one.person not in one.example.question
        assert any(one.example.image is other.example.image for other in pictured if other.person == one.person)
    nameless = replace(facts[0], example=replace(facts[0].example, question="Where?"))
    assert by_photo([nameless], pictured) == []


def test_everybody_with_both_is_asked_in_each_way(context, taught):
    found = measure(taught, context)
    assert found.counted == [PHOTO, TEXT, ACROSS] and set(found.known()) == set(context.subjects.people)
    assert sum(found.by_person(PHOTO).values()) > 0  # the names were learnt by heart
    assert sum(summary({"audited": found})["audited"].values()) == pytest.approx(1)
    facts = replace(context.subjects, asked=context.subjects.of("fact"))
    with pytest.raises(NotPossible, match="people with photos and facts"):
        measure(taught, replace(context, subjects=facts))
