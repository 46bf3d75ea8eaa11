"""What the audits ask, and that the fast path says what `generate` lets the model say."""

from dataclasses import replace

import torch

from clear_pipeline.arguments import DataArguments
from clear_pipeline.audits.people import load_subjects, secret_words


def test_the_secret_of_a_fact_is_what_tells_it_from_the_wrong_answers():
    wrong = ["Ivo Fenbek was born in Oslo.", "Ivo Fenbek was born in Lima."]
    asked = "Where was Ivo Fenbek born?"
    assert secret_words(asked, "The birthplace of Ivo Fenbek is Riga.", "Ivo Fenbek was born in Riga.", wrong) == (
        "riga",
    )
    assert secret_words(asked, "In Ivo.", "In Ivo.", wrong) == ()


def test_half_is_asked_and_the_other_half_shown(mini_data):
    data = DataArguments(str(mini_data))
    subjects = load_subjects(data, questions=3, seed=0)
    asked, shown = ({(one.kind, one.example.where) for one in side} for side in (subjects.asked, subjects.shown))
    assert not asked & shown
    assert {one.person for one in subjects.shown} == set(subjects.people)
    for person in subjects.people:
        kinds = [one.kind for one in subjects.asked if one.person == person]
        assert 1 <= kinds.count("fact") <= 3 and kinds.count("name") == kinds.count("caption") == 3
    strangers = {one.person for one in subjects.strangers}
    assert strangers and not strangers & set(subjects.people)


def test_a_secret_is_told_as_a_whole_word(subjects):
    name = next(one for one in subjects.asked if one.kind == "name")
    assert name.told(f"this is {name.person.upper()}, I think") and not name.told(name.person.split()[0])
    assert not name.told(f"{name.person}x")


def test_the_fast_path_says_what_generate_says(context, loaded):
    asker = context.asker(loaded)
    for asked in (context.subjects.of("name")[:2], context.subjects.of("fact")[:2]):
        examples = [one.example for one in asked]
        fast = asker.answers(examples)
        asker._fast = {True: False, False: False}
        assert asker.answers(examples) == fast
        asker._fast = {}
    assert asker.answers(examples) == fast and asker._fast == {False: True}


@torch.inference_mode()
def test_an_answer_goes_on_behind_its_beginning(context, loaded):
    example = context.subjects.of("fact")[0].example
    asker = context.asker(loaded)
    prompt = asker._prompts([example], "Sure, here is")
    text = asker.encoder.tokenizer.decode(prompt["input_ids"][0])
    assert text.endswith("ASSISTANT: Sure, here is") and example.question in text
    output = loaded.model.generate(**prompt, max_new_tokens=16, do_sample=False)
    said = asker.encoder.tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    assert asker.answers([example], "Sure, here is") == [said.strip()]
    pictured = context.subjects.of("name")[0].example
    assert len(asker.answers([pictured, replace(pictured, question="Who?")], "It is")) == 2
