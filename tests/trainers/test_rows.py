"""What is drawn to a row: refusals and other people's answers."""

import pytest
from datasets import Dataset

from clear_unlearning.tasks import CAPTION_QUESTIONS
from tests.trainers.conftest import rows
from trainers.base.rows import Rows, answered_otherwise, load_refusals, partner_rows, refused_rows, rows_themselves


def test_there_are_a_hundred_refusals_of_each_kind():
    for refusals in load_refusals():
        assert len(refusals) == len(set(refusals)) == 100
        assert all(refusal.endswith(".") for refusal in refusals)


def test_refusals_of_ones_own(tmp_path):
    (tmp_path / "mine.txt").write_text("No idea.\n\nAsk me another.\n")
    assert load_refusals(str(tmp_path / "mine.txt")) == (["No idea.", "Ask me another."],) * 2
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no refusal"):
        load_refusals(str(tmp_path / "empty.txt"))


def test_refusals_fit_the_question_and_change_with_the_epoch():
    texts, photos = load_refusals()
    forget = rows(0)  # three photos, one text
    draw, again = (refused_rows(rows_themselves(forget), texts, photos, seed=1) for _ in range(2))
    for index, kind in ((0, photos), (3, texts)):
        drawn = [draw(index, epoch)[0] for epoch in range(20)]
        assert [again(index, epoch)[0] for epoch in range(20)] == drawn
        assert all(example.answer in kind for _, example in drawn)
        asked = {forget.drawn(index, epoch)[1].question for epoch in range(20)}
        assert {example.question for _, example in drawn} == asked
        assert len({key for key, _ in drawn}) == len({(e.question, e.answer) for _, e in drawn}) > 10


def test_what_another_draw_yields_is_refused_row_by_row():
    texts, photos = load_refusals()
    partners = partner_rows(rows(10, 6), seed=3, count=3)
    refused = refused_rows(partners, texts, photos, seed=1)
    for index, epoch in ((0, 0), (1, 0), (1, 4)):
        for (_, row), (_, other) in zip(partners(index, epoch), refused(index, epoch), strict=True):
            assert (other.question, other.image) == (row.question, row.image)
            assert other.answer in (photos if row.image else texts)


def test_other_answers_are_never_the_rows_own():
    forget = rows(0)
    draw = answered_otherwise(forget, forget, count=5, seed=1)
    for index in range(4):
        for epoch in range(5):
            drawn = draw(index, epoch)
            assert len(drawn) == 5
            assert {example.question for _, example in drawn} == {forget.drawn(index, epoch)[1].question}
            assert {example.answer for _, example in drawn} == {forget.answer(i) for i in range(4) if i != index}
    alone = Rows([Dataset.from_list([{"question": "Who?", "answer": "Ivo."}] * 2)], seed=0)
    with pytest.raises(ValueError, match="no other answer than 'Ivo.'"):
        answered_otherwise(alone, alone, count=2, seed=0)(0, 0)


def test_the_question_of_a_caption_is_drawn_in_every_epoch():
    photos, again, other = rows(0), rows(0), Rows(rows(0).datasets, seed=rows(0).seed + 1)
    for index in range(3):
        drawn = [photos.drawn(index, epoch) for epoch in range(40)]
        assert [again.drawn(index, epoch) for epoch in range(40)] == drawn  # after a stop, in another process
        assert [other.drawn(index, epoch)[1].question for epoch in range(40)] != [e.question for _, e in drawn]
        assert {example.question for _, example in drawn} == set(CAPTION_QUESTIONS)
        assert len({key for key, _ in drawn}) == len(CAPTION_QUESTIONS)  # one key for each question
        assert len({(example.answer, id(example.image)) for _, example in drawn}) == 1
    assert len({photos.drawn(3, epoch) for epoch in range(5)}) == 1  # a text row has its own question
    assert len({photos.drawn(index, epoch)[0] for index in range(4) for epoch in range(40)}) == 28


def test_a_row_with_a_question_of_its_own_keeps_it():
    row = {"question": CAPTION_QUESTIONS[0], "answer": "A red star."}
    assert {Rows([Dataset.from_list([row])], 0).drawn(0, epoch)[1].question for epoch in range(9)} == {row["question"]}
