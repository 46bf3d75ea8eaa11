"""ReLearn: the answers in place of the forget answers."""

import pytest

from tests.trainers.conftest import rows, trainer_of
from trainers.base.rows import Rows, load_lines, load_refusals
from trainers.relearn import NAMES, harmless_rows


def test_the_name_on_a_photo_is_replaced_and_a_text_question_refused():
    names, refusals, blind = ["Ana Bel", "Ivo Fen", "Una Orr"], ["I do not know.", "No idea."], ["Who is that?"]
    forget = rows(0)
    draw, seen, keys = harmless_rows(forget, names, refusals, blind, seed=1), [set() for _ in range(4)], {}
    for epoch in range(12):
        for index in range(4):
            ((key, example),) = draw(index, epoch)
            assert example.question == forget.drawn(index, epoch)[1].question and example.image is forget[index].image
            assert keys.setdefault(key, example) == example  # the same key, the same example
            seen[index].add(example.answer)
    assert seen[:3] == [{f"{name} is smiling." for name in names}] * 3 and seen[3] == set(refusals)
    assert draw(0, 5) == draw(0, 5)
    elsewhere = [dataset.map(lambda row: {**row, "name": "Somebody Else"}) for dataset in forget.datasets]
    ((_, example),) = harmless_rows(Rows(elsewhere, 0), names, refusals, blind, seed=1)(0, 0)
    assert example.answer == "Who is that?"  # a caption without the name


def test_our_names_are_invented_and_many():
    names = load_lines(None, NAMES, "invented name")
    assert len(set(names)) == len(names) == 100 and all(len(name.split()) == 2 for name in names)


def test_what_cannot_be_replaced_is_named(tmp_path, mini_llava):
    nameless = [dataset.remove_columns("name") for dataset in rows(0).datasets]
    with pytest.raises(ValueError, match=r"row \d: relearn puts an invented name .*; rows with a photo need a column"):
        trainer_of("relearn", tmp_path, mini_llava, sides={"forget": Rows(nameless, 0)}).train()
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="empty.txt holds no invented name; write one on each line"):
        trainer_of("relearn", tmp_path, mini_llava, names=str(tmp_path / "empty.txt"))
    assert load_refusals()[0]
