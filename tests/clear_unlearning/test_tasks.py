import pytest
from PIL import Image

from clear_dataset import CONFIGS, TEXT_CONFIGS
from clear_unlearning.tasks import (
    CAPTION_QUESTIONS,
    IMAGE_TASKS,
    NAME_QUESTION,
    TASKS,
    TEXT_TASKS,
    caption_question,
    controlled,
    task_example,
    training_example,
)
from evaluate_metrics.tasks import LOG_TASKS
from tests.programs import run_python

PHOTO = {
    "image": Image.new("L", (8, 8)),
    "caption": "Ivo Fenbek, a cook, is smiling.",
    "name": "Ivo Fenbek",
    "paraphrased_caption": "A cook, Ivo Fenbek, can be seen.",
    "perturbed_captions": ["A cook, Lena Halrez, can be seen."],
    "perturbed_names": ["Lena Halrez", "Mara Torgard"],
}


@pytest.mark.parametrize("track", TASKS)
def test_every_task_has_a_key_of_the_log_and_columns_of_its_config(track):
    configs = CONFIGS if track == "image" else TEXT_CONFIGS
    for task in TASKS[track]:
        assert task.key in LOG_TASKS
        features = configs[task.config.format(forget="forget05")].features
        columns = {task.answer, task.paraphrase, task.wrong, *([task.question] if task.question else [])}
        assert columns <= set(features), task.key
        assert ("image" in features) == task.images


def test_one_question_a_row_drawn_from_index_and_seed():
    drawn = [caption_question(index, seed=0) for index in range(300)]
    assert set(drawn) == set(CAPTION_QUESTIONS)
    assert drawn == [caption_question(index, seed=0) for index in range(300)]
    assert drawn != [caption_question(index, seed=1) for index in range(300)]
    code = "from clear_unlearning.tasks import caption_question as q; print([q(i, 0) for i in range(300)])"
    other = run_python("-c", code)
    assert other.stdout.strip() == str(drawn)


def test_a_photo_is_asked_for_its_caption_and_its_name():
    caption, name = (task_example(task, PHOTO, 5, seed=2) for task in IMAGE_TASKS[:2])
    assert caption.question == caption_question(5, 2)
    assert (caption.answer, caption.paraphrase) == (PHOTO["caption"], PHOTO["paraphrased_caption"])
    assert caption.wrong == ("A cook, Lena Halrez, can be seen.",)
    assert (name.question, name.answer, name.paraphrase) == (NAME_QUESTION, "Ivo Fenbek", "Ivo Fenbek")
    assert name.wrong == ("Lena Halrez", "Mara Torgard")
    assert caption.person == name.person == "Ivo Fenbek"
    assert caption.image.mode == "RGB"  # type: ignore[union-attr]


def test_a_text_row_keeps_its_own_question():
    row = {"question": "Who?", "answer": "Ivo.", "paraphrased_answer": "It is Ivo.", "perturbed_answer": ["Lena."]}
    forget, _, authors, _ = (task_example(task, row, 0, seed=0) for task in TEXT_TASKS)
    assert (forget.question, forget.paraphrase, forget.image) == ("Who?", "It is Ivo.", None)
    assert authors.paraphrase == "Ivo."


@pytest.mark.parametrize("column", ["caption", "perturbed_captions"])
def test_an_empty_cell_is_named(column):
    with pytest.raises(ValueError, match=rf"eval_log_forget.json, row 7: .*{column}"):
        task_example(IMAGE_TASKS[0], {**PHOTO, column: PHOTO[column][:0]}, 7, seed=0)


def test_controls_change_the_image_alone():
    example = task_example(IMAGE_TASKS[0], PHOTO, 0, seed=0)
    blank, text = controlled(example, "blank"), controlled(example, "text")
    assert controlled(example, "none") is example
    assert blank.image.getcolors() == [(64, (128, 128, 128))]  # type: ignore[union-attr]
    assert text.image is None
    assert (blank.question, text.question, text.answer) == (example.question, example.question, example.answer)


def test_training_rows_are_captions_or_questions():
    photo = training_example({"image": PHOTO["image"], "caption": "C", "question": None, "answer": None}, 3, seed=1)
    assert (photo.question, photo.answer) == (caption_question(3, 1), "C")
    text = training_example({"image": None, "caption": None, "question": "Q", "answer": "A"}, 3, seed=1)
    assert (text.question, text.answer, text.image) == ("Q", "A", None)
    with pytest.raises(ValueError, match="row 3 has neither"):
        training_example({"image": None, "caption": None, "question": "Q", "answer": None}, 3, seed=1)
