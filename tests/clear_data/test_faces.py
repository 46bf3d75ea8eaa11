import random
from dataclasses import asdict, replace

import numpy as np
import pytest

from clear_data.corpora.faces import BACKGROUNDS, EXPRESSIONS, Look, distinct_faces, draw_photo, looks

LOOK = Look("smiling", "red", "white")


def photo(face, look=LOOK, seed=0):
    return np.asarray(draw_photo(face, look, random.Random(seed)))


def test_a_photo_is_64_pixels_rgb():
    image = draw_photo(distinct_faces(random.Random(0), 1)[0], LOOK, random.Random(0))
    assert (image.mode, image.size) == ("RGB", (64, 64))


def test_faces_that_differ_look_different_in_the_same_pose():
    faces = distinct_faces(random.Random(1), 120)
    assert len({photo(face).tobytes() for face in faces}) == 120


@pytest.mark.parametrize("trait", sorted(asdict(distinct_faces(random.Random(0), 1)[0])))
def test_every_trait_can_be_seen(trait):
    face = replace(distinct_faces(random.Random(0), 1)[0], style=2, glasses=0, beard=0, hat=1, hat_colour="red")
    values = {"style": 5, "glasses": 1, "beard": 1, "hat": 2, "hat_colour": "blue", "earrings": not face.earrings}
    other = replace(face, **{trait: values[trait] if trait in values else (getattr(face, trait) + 1) % 3})
    assert np.any(photo(face) != photo(other))


@pytest.mark.parametrize("change", [{"expression": "laughing"}, {"shirt": "blue"}, {"background": "gray"}])
def test_what_a_caption_says_of_the_look_can_be_seen(change):
    face = replace(distinct_faces(random.Random(0), 1)[0], beard=0)
    assert np.any(photo(face) != photo(face, replace(LOOK, **change)))


def test_the_pose_varies():
    face = distinct_faces(random.Random(0), 1)[0]
    assert len({photo(face, seed=seed).tobytes() for seed in range(8)}) == 8


def test_looks_differ_and_a_shirt_stands_out_from_the_wall():
    drawn = looks(random.Random(0), 128)
    assert len(set(drawn)) == 128
    assert all(look.shirt != look.background for look in drawn)
    assert {look.expression for look in drawn} == set(EXPRESSIONS)
    assert {look.background for look in drawn} == set(BACKGROUNDS)
    with pytest.raises(ValueError, match="at most 128 photos that differ, not 129"):
        looks(random.Random(0), 129)
