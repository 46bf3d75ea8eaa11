import io

import numpy as np
import pytest
from datasets import Image as Feature
from PIL import Image

from clear_data.building.folder import fingerprint_rows
from clear_data.building.pictures import ORIENTATION, Pictures, as_rgb, decode_picture, picture_bytes
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


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.stack([GREY, GREY[::-1], GREY.T], axis=2)


def with_alpha(mode: str) -> Image.Image:
    """Left half opaque, right half transparent over a dark colour."""
    image = Image.fromarray(COLOURS).convert(mode.replace("A", "") or "RGB").convert(mode)
    image.putalpha(Image.fromarray(np.repeat([[255] * 8 + [0] * 8], 16, axis=0).astype(np.uint8)))
    return image


def palette_with_transparency() -> Image.Image:
    image = Image.fromarray(GREY // 2).convert("P")
    image.info["transparency"] = 0
    return image


# What a file holds -> the pixel in the first row and last column, as RGB. Mode, format and range are those of Pillow.
MODES = {
    "1": (Image.fromarray(GREY).convert("1"), "PNG", None),
    "L": (Image.fromarray(GREY), "PNG", (15, 15, 15)),
    "P": (Image.fromarray(GREY).convert("P"), "PNG", (15, 15, 15)),
    "P, transparent": (palette_with_transparency(), "PNG", (7, 7, 7)),
    "RGB": (Image.fromarray(COLOURS), "PNG", (15, 255, 240)),
    "RGBA": (with_alpha("RGBA"), "PNG", (255, 255, 255)),
    "LA": (with_alpha("LA"), "PNG", (255, 255, 255)),
    "CMYK": (Image.fromarray(COLOURS).convert("CMYK"), "TIFF", (15, 255, 240)),
    "LAB": (Image.new("LAB", (16, 16), (128, 128, 128)), "TIFF", (119, 119, 119)),
    "I;16": (Image.fromarray(GREY.astype(np.uint16) * 257), "PNG", (15, 15, 15)),
    "I, 16 bit": (Image.fromarray(GREY.astype(np.int32) * 257), "TIFF", (15, 15, 15)),
    "I, 8 bit": (Image.fromarray(GREY.astype(np.int32)), "TIFF", (15, 15, 15)),
    "I, 24 bit": (Image.fromarray(GREY.astype(np.int32) * 65536), "TIFF", (15, 15, 15)),
    "F, to 1": (Image.fromarray(GREY.astype(np.float32) / 255), "TIFF", (15, 15, 15)),
    "F, to 255": (Image.fromarray(GREY.astype(np.float32)), "TIFF", (15, 15, 15)),
    "F, below 0": (Image.fromarray(GREY.astype(np.float32) - 128), "TIFF", (15, 15, 15)),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_becomes_rgb_once(name):
    image, form, corner = MODES[name]
    file = io.BytesIO()
    image.save(file, form)
    content, plain = Pictures().file({"bytes": file.getvalue()})
    written = Image.open(io.BytesIO(content))
    assert (written.mode, written.size) == ("RGB", (16, 16))
    assert fingerprint_rows([{"image": plain}]) == fingerprint_rows([{"image": written}])
    assert (content == file.getvalue()) == (name == "RGB")  # only what is plain RGB stays as the file it was
    again, same = Pictures().file({"bytes": content})
    assert again == content and same == plain
    if corner is not None:
        assert np.abs(np.subtract(written.getpixel((15, 0)), corner)).max() <= 1
    # The 256 greys stay apart, where they are not made transparent or black and white.
    if name[0] in "LPIF" and "A" not in name:
        assert len(set(written.convert("L").getdata())) >= 128


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX", "RGBa", "La", "PA", "I;16B", "I;16L"])
def test_modes_that_no_file_keeps_become_rgb(mode):
    """What Pillow makes of other files in memory; a quarter of the greys, so that HSV's rounding does not matter."""
    grey = Image.fromarray(GREY // 64 * 64)
    if mode.startswith("I"):
        image = Image.frombytes(
            mode, (16, 16), (np.asarray(grey).astype(np.uint16) * 257).astype("<>"[mode[-1] == "B"] + "u2").tobytes()
        )
    else:
        steps = {"RGBa": ("RGBA", "RGBa"), "La": ("LA", "La"), "PA": ("P", "PA")}.get(mode, ("RGB", mode))
        image = grey
        for step in steps:
            image = image.convert(step)
    assert image.mode == mode
    assert np.abs(np.asarray(as_rgb(image)).astype(int) - np.asarray(grey.convert("RGB"))).max() <= 2


def test_an_animation_is_its_first_frame_and_check_says_so():
    frames, file = [Image.fromarray(np.roll(COLOURS, i, axis=0)) for i in range(3)], io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    content, _ = Pictures().file({"bytes": file.getvalue()})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), COLOURS)
    (stored,) = Pictures(stored=True).describe([{"image": {"bytes": file.getvalue()}}])
    assert stored["image"]["odd"] == ["is an animation of 3 frames; only the first counts"]
    (built,) = Pictures().describe([{"image": {"bytes": file.getvalue()}}])
    assert "odd" not in built["image"]


def test_a_turned_photo_is_written_upright():
    image, file = photo(1, side=16).crop((0, 0, 16, 8)), io.BytesIO()
    exif = image.getexif()
    exif[ORIENTATION] = 6
    image.save(file, "JPEG", exif=exif)
    content, plain = Pictures().file({"bytes": file.getvalue()})
    assert Image.open(io.BytesIO(content)).size == (8, 16) == tuple(plain["size"])
    assert Image.open(io.BytesIO(content)).getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize(
    ("image", "odd"),
    [
        (Image.new("RGB", (1, 1)), ["is tiny: 1 x 1 pixels", "is of one colour"]),
        (photo(1).resize((64, 7)), ["is tiny: 64 x 7 pixels"]),
        (Image.new("RGB", (64, 64), "red"), ["is of one colour"]),
        (Image.new("RGBA", (64, 64), (1, 2, 3, 0)), ["is of one colour"]),
        (photo(1), []),
    ],
)
def test_a_picture_that_shows_nothing_is_reported(image, odd):
    (row,) = Pictures().describe([{"image": image}])
    assert row["image"].get("odd", []) == odd
    assert fingerprint_rows([row]) == fingerprint_rows([{"image": as_rgb(image)}])
