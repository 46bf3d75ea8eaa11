"""Other prompts: the forms, and a fact beforehand that does not tell the secret."""

from clear_pipeline.audits.prompts import FORMS, in_form, measure, with_context


def test_a_fact_is_asked_within_its_form_and_a_photo_in_other_words(context):
    fact, name = context.subjects.of("fact")[0], context.subjects.of("name")[0]
    assert fact.example.question in in_form(fact, 0).example.question != fact.example.question
    assert [in_form(name, number).example.question for number in range(3)] == list(FORMS["name"])
    assert in_form(name, 1).example.image is name.example.image


def test_the_fact_beforehand_is_of_the_same_person_and_tells_nothing(context):
    asked = context.subjects.asked
    told = with_context(asked, context.subjects.shown)
    assert [asked[number].kind for number in told] == ["fact"] * len(context.subjects.of("fact"))
    for one in told.values():
        before = one.example.question.split(". ")[0]
        assert one.person in before and not one.told(before)
    assert with_context(asked, []) == {}


def test_any_form_that_tells_counts(context, taught):
    found = measure(taught, context)
    assert list(found.scores) == ["as it is", "form 1", "form 2", "form 3", "beginning", "another fact", "worst"]
    assert found.counted == ["worst"]
    forms = ["as it is", "form 1", "form 2", "form 3", "beginning"]
    for person, worst in found.scores["worst"].items():
        answers = zip(*(found.scores[form][person] for form in forms), strict=True)
        assert all(one >= max(each) for one, each in zip(worst, answers, strict=True))
    assert sum(found.by_person("worst").values()) > 0
