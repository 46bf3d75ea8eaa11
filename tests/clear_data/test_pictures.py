import io

import pytest
from datasets import Image as Feature

from clear_data.building.fingerprint import fingerprint_rows
from clear_data.building.pictures import Pictures, decode_picture, picture_bytes
from tests.clear_data.raw_folder import photo


def test_pixels_stand_for_the_picture_in_a_fingerprint(tmp_path):
    image = photo(1)
    image.save(tmp_path / "a.png")
    for picture in (image, tmp_path / "a.png", Feature().encode_example(image)):
        pixels = Pictures().pixels(picture)
        assert fingerprint_rows([{"image": pixels}]) == fingerprint_rows([{"image": image}])


def test_a_photo_lying_on_its_side_is_turned_upright_as_datasets_does_it():
    image, file = photo(1, side=8).crop((0, 0, 8, 4)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(file, "JPEG", exif=exif)
    assert decode_picture(file.getvalue()).size == (4, 8)


def test_a_file_is_decoded_once(tmp_path, monkeypatch):
    photo(1).save(tmp_path / "a.png")
    pictures, calls = Pictures(), []
    monkeypatch.setattr("clear_data.building.pictures.decode_picture", lambda c: calls.append(c) or decode_picture(c))
    rows = [
        {"image": tmp_path / "a.png"},
        {"image": {"bytes": picture_bytes(tmp_path / "a.png")}},
        {"image": None},
    ] * 2
    described = list(pictures.describe(rows))
    assert len(calls) == 1
    assert described[0] == described[1] != described[2] == {"image": None}


def test_what_does_not_decode_is_said():
    content = picture_bytes(photo(1))
    for broken in (b"", b"no image", content[:50], content.replace(b"IDAT", b"IDAX")):
        with pytest.raises(ValueError, match="the image does not decode"):
            decode_picture(broken)
        assert "does not decode" in next(Pictures().describe([{"image": {"bytes": broken}}]))["image"]["broken"]
