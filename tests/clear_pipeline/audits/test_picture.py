"""Changed photos: what the changes do to pixels, and that the controls show no face of the person."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.picture import CHANGES, cropped, encoded_again, measure, swapped


@pytest.fixture
def photo():
    pixels = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3) % 251
    return Image.fromarray(pixels.astype(np.uint8))


def test_each_change_keeps_the_size_and_only_the_first_the_pixels(photo):
    made = {name: change(photo) for name, change in CHANGES.items()}
    assert {image.size for image in made.values()} == {(64, 64)}
    assert [name for name, image in made.items() if image.tobytes() == photo.tobytes()] == ["as taken"]


def test_a_crop_is_the_middle():
    image = Image.new("RGB", (100, 50), "white")
    image.paste("black", (10, 5, 90, 45))
    assert np.asarray(cropped(image)).max() == 0


def test_a_jpeg_stays_near(photo):
    plain = Image.new("RGB", (32, 32), (90, 120, 30))
    assert np.abs(np.asarray(encoded_again(plain)).astype(int) - np.asarray(plain)).max() < 8


def test_swapped_photos_are_of_other_people(context):
    asked = context.subjects.of("name")
    for before, after in zip(asked, swapped(asked), strict=True):
        owner = next(one.person for one in asked if one.example.image is after.example.image)
        assert owner != before.person == after.person


def test_all_conditions_are_asked_and_only_the_photos_count(context, taught):
    found = measure(taught, context)
    assert list(found.counted) == list(CHANGES)
    assert list(found.scores) == [*CHANGES, "blank", "text only", "swapped"]
    assert min(found.by_person("as taken").values()) >= 0.5  # the name is known, the caption is not
    assert sum(found.by_person("swapped").values()) < sum(found.by_person("as taken").values())


def test_without_photos_it_cannot_be_done(context, loaded):
    facts = replace(context, subjects=replace(context.subjects, asked=context.subjects.of("fact")))
    with pytest.raises(NotPossible, match="no photos"):
        measure(loaded, facts)
