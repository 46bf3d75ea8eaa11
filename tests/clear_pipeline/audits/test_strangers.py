"""Strangers: who they are, how much they are asked, and that they are compared with one another."""

from dataclasses import replace
from pathlib import Path

import pytest

from clear_pipeline.arguments import DataArguments
from clear_pipeline.audits import fingerprint, relearn
from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.fingerprint import above
from clear_pipeline.audits.people import load_subjects
from clear_pipeline.audits.strangers import stranger_rows, with_strangers


@pytest.fixture(scope="module")
def few(mini_data):
    """Two people to be forgotten, asked about one photo and one fact each."""
    return load_subjects(DataArguments(str(mini_data), forget="forget01"), questions=1, seed=0)


def beside(data: Path) -> Path:
    return data.with_name(f"{data.name}_extra")


def test_strangers_are_asked_as_much_as_the_people(few, mini_data):
    found = with_strangers(few, stranger_rows(beside(mini_data), "image", 0))
    assert len(found.reference) == 8 and not set(found.reference) & set(few.people)
    assert found.forgotten == few.people and found.people == [*few.people, *found.reference]
    for side, ours in ((found.asked, few.asked), (found.shown, few.shown)):
        most = {
            kind: max(sum(one.person == person and one.kind == kind for one in ours) for person in few.people)
            for kind in ("name", "caption", "fact")
        }
        for person in found.reference:
            for kind, count in most.items():
                assert sum(one.person == person and one.kind == kind for one in side) <= count
    assert {one.person for one in found.asked if one.kind == "name"} == set(found.people)


def test_on_the_text_track_and_from_one_config_there_are_facts_only(few, mini_data):
    for source, track in ((beside(mini_data), "text"), (beside(mini_data) / "people_text", "image")):
        found = with_strangers(few, stranger_rows(source, track, 0))
        assert {one.kind for one in found.asked if one.person in found.reference} == {"fact"}


def test_people_whom_the_model_was_trained_on_are_no_strangers(few, mini_data):
    with pytest.raises(ValueError, match="is in the training rows of those who stay"):
        with_strangers(few, stranger_rows(beside(mini_data) / "retain_text", "text", 0))
    with pytest.raises(ValueError, match="is to be forgotten; strangers are people whom the model never saw"):
        with_strangers(few, stranger_rows(beside(mini_data) / "forget01_text", "text", 0))


def test_of_one_stranger_nobody_knows_how_far_strangers_differ(few, mini_data):
    rows = stranger_rows(beside(mini_data) / "people_text", "text", 0)
    one = [row for row in rows if row[0] == rows[0][0]]
    with pytest.raises(ValueError, match="strangers: 1 person with questions .* give 2 or more"):
        with_strangers(few, one)


def test_a_place_without_such_rows_is_named(mini_data, tmp_path):
    with pytest.raises(ValueError, match="give a folder with people or people_text"):
        stranger_rows(tmp_path, "image", 0)
    with pytest.raises(ValueError, match="rows need the columns name, image, caption, or .* they have image, caption"):
        stranger_rows(mini_data / "forget01+tofu", "image", 0)


def test_a_stranger_is_compared_with_the_other_strangers(context, loaded, subjects, mini_data):
    rows = stranger_rows(beside(mini_data) / "people_text", "text", 0)
    three = list(dict.fromkeys(person for person, _ in rows))[:3]
    both = with_strangers(subjects, [row for row in rows if row[0] in three])
    found = fingerprint.measure(loaded, replace(context, subjects=both))
    details = found.details["fact"]
    for person in both.reference:
        others = [loss for other, row in details["strangers"].items() if other != person for loss in row]
        assert found.scores["fact"][person] == [above(loss, others) for loss in details["losses"][person]]
    ours = fingerprint.summary({"audited": found.about(both.forgotten)})["audited"]["fact"]["auc"]
    scores = [score for person in both.forgotten for score in found.scores["fact"][person]]
    assert ours == pytest.approx(sum(scores) / len(scores))


def test_strangers_alone_are_not_relearnt(context, loaded, subjects, mini_data):
    both = with_strangers(subjects, stranger_rows(beside(mini_data) / "people_text", "text", 0))
    bare = replace(both, shown=[one for one in both.shown if one.person in both.reference])
    with pytest.raises(NotPossible, match="no second photo or fact"):
        relearn.measure(loaded, replace(context, subjects=bare))
