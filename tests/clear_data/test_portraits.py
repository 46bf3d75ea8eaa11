"""Photos by person: the same people as in the other track, labelled sets of any kind, pixels as bytes."""

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from clear_data.corpora.mini import CELEBRITY_QUESTION, NAME_QUESTION
from clear_data.names import join_key
from clear_data.portraits import load_portraits, square, write_pixels
from clear_data.splits import FORGET_PEOPLE, HOLDOUT_PEOPLE, published_holdout_people


def ignore(done: int, total: int) -> None:
    pass


def red(shade: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (shade, 0, 0))


def test_a_config_with_names(tmp_path):
    Dataset.from_dict({"image": [red(1), red(2), red(3)], "name": ["b", "a", "b"]}).to_parquet(
        tmp_path / "train.parquet"
    )
    rows, people = load_portraits(tmp_path, "default")
    assert people == {"b": [0, 2], "a": [1]}
    owners = write_pixels(tmp_path / "x.npy", rows, {"a": [1], "b": [2, 0]}, 2, ignore)
    pixels = np.load(tmp_path / "x.npy")
    assert owners == ["a", "b", "b"]
    assert pixels.shape == (3, 2, 2, 3) and pixels[:, 0, 0, 0].tolist() == [2, 3, 1]


def test_in_the_base_corpus_questions_say_who_it_is(tmp_path):
    questions = [CELEBRITY_QUESTION, "What colour is it?", NAME_QUESTION, None]
    columns = {"image": [red(i) for i in range(4)], "question": questions, "answer": ["a", "red", "b", None]}
    Dataset.from_dict({**columns, "caption": ["", "", "", "c"]}).to_parquet(tmp_path / "train.parquet")
    assert load_portraits(tmp_path, "default")[1] == {"a": [0], "b": [2]}


def test_any_labelled_set(tmp_path):
    photos = [red(shade) for shade in (10, 20, 30)]
    Dataset.from_dict({"face": [7, 3, 7], "photo": photos}).to_parquet(tmp_path / "train.parquet")
    rows, people = load_portraits(tmp_path, None, "face", "photo")
    assert people == {"7": [0, 2], "3": [1]}
    assert rows.column_names == ["image"]
    with pytest.raises(ValueError, match="no column 'who'; it has face, photo"):
        load_portraits(tmp_path, None, "who", "photo")
    with pytest.raises(ValueError, match="no column 'image'"):
        load_portraits(tmp_path, None, "face")


def test_the_middle_is_cut():
    photo = Image.new("L", (6, 2))
    photo.paste(255, (2, 0, 4, 2))
    assert square(photo, 2).tolist() == [[[255] * 3] * 2] * 2


def test_published_holdout_people_are_apart_from_the_forget_people():
    for forget, size in (("forget01", 2), ("forget05", 10), ("forget10", 20)):
        assert len({join_key(name) for name in HOLDOUT_PEOPLE[forget]}) == size
        assert not set(HOLDOUT_PEOPLE[forget]) & set(FORGET_PEOPLE["forget10"])
    everybody = [*HOLDOUT_PEOPLE["forget10"], "Somebody Else"]
    assert published_holdout_people(everybody, "forget10") == list(HOLDOUT_PEOPLE["forget10"])
    assert published_holdout_people(["Somebody Else"], "forget10") is None
