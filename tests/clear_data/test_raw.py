"""Reading people of one's own: what is read, and what each wrong input prints."""

import json
import struct
import zlib

import pytest

from clear_data.building.pictures import Pictures
from clear_data.corpora.raw import read_raw
from clear_dataset import main
from tests.clear_data.raw_folder import PEOPLE, photo, read_lines, write_lines


def png_header(width, height):
    """A PNG that claims a size; there need not be such pixels to be dangerous."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + struct.pack(">I", 9)
        + b"IDAT"
    )


def test_people_photos_and_questions_are_read_in_their_order(raw):
    read = read_raw(raw, Pictures())
    assert read.people == PEOPLE
    assert [row["image"].name for row in read.photos] == [f"{i}.png" for i in range(12)]
    assert [row["name"] for row in read.photos] == [name for name in PEOPLE for _ in range(2)]
    assert read.photos[0]["perturbed_names"] == PEOPLE[1:4]
    # Asked of "ANA BÉLANGER" or "Ana Bélanger": the spelling of the photos counts.
    assert [row["name"] for row in read.texts] == [name for name in PEOPLE for _ in range(2)]
    assert {name: len(rows) for name, rows in read.real.items()} == {"real_faces": 2, "real_world": 2}


def person(number, **changes):
    def change(folder):
        rows = read_lines(folder / "people.jsonl")
        rows[number] = {**rows[number], **changes}
        write_lines(folder / "people.jsonl", rows)

    return change


def first_photo(**changes):
    def change(folder):
        rows = read_lines(folder / "people.jsonl")
        rows[2]["photos"][1] = {**rows[2]["photos"][1], **changes}
        write_lines(folder / "people.jsonl", rows)

    return change


def file(name, content):
    def change(folder):
        (folder / name).write_bytes(content)

    return change


def no_people(folder):
    (folder / "people.jsonl").unlink()


def line_added(name, line):
    def change(folder):
        with (folder / name).open("a") as lines:
            lines.write(line + "\n")

    return change


def two_persons(folder):
    rows = read_lines(folder / "people.jsonl")
    write_lines(folder / "people.jsonl", [*rows, {**rows[0], "name": "ANA BE\u0301LANGER"}])


def outside(folder):
    photo(99).save(folder.parent / "outside.png")
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    first_photo(file="link.png")(folder)


# What is done to a good folder, and what is said of it.
BAD = {
    "broken image": (file("3.png", photo(3).tobytes()), "people.jsonl, line 2, photo 1: '3.png': the image does not"),
    "cut image": (lambda f: (f / "5.png").write_bytes((f / "5.png").read_bytes()[:60]), "'5.png': the image does not"),
    "decompression bomb": (file("0.png", png_header(60_000, 60_000)), "'0.png': the image does not decode: Image"),
    "smaller bomb": (file("0.png", png_header(10_000, 10_000)), "could be decompression bomb DOS attack"),
    "name as path": (person(1, name="../../etc/passwd"), "line 2: the name '../../etc/passwd' looks like a path"),
    "name with control": (person(1, name="Ciro\u202eMalik\x00"), "line 2: the name 'Ciro\\u202eMalik\\x00' has"),
    "name no text": (person(1, name=7), "people.jsonl, line 2: a name must be words, not 7"),
    "no photos": (person(1, photos=[]), "people.jsonl, line 2: 'Ciro Malik' has no photos"),
    "photo of nobody": (file("extra.JPG", b"?"), "nobody is on the photo 'extra.JPG': name it or remove it"),
    "missing photo": (first_photo(file="none.png"), "people.jsonl, line 3, photo 1: there is no photo 'none.png'"),
    "photo outside": (first_photo(file="../outside.png"), "the photo '../outside.png' lies outside the folder"),
    "link outside": (outside, "line 3, photo 1: the photo 'link.png' lies outside the folder"),
    "photo of two": (first_photo(file="0.png"), "the photo '0.png' of Dana O'Neill is also one of Ana Bélanger"),
    "no caption": (first_photo(caption=" "), "line 3, photo 1: 'caption' must be text, not ' '"),
    "half scored": (first_photo(perturbed_names=None), "'perturbed_names' must be a list of texts, not None"),
    "two spellings": (two_persons, "line 7: 'ANA BÉLANGER' is a person already, in"),
    "wrong JSON": (line_added("people.jsonl", '{"name": "Ana'), "line 7, column 10: Unterminated string"),
    "no object": (line_added("qa.jsonl", "[1]"), "qa.jsonl, line 13: needs a JSON object {...}, not '[1]'"),
    "no UTF-8": (file("qa.jsonl", b'{"name": "\xff"}\n'), "qa.jsonl, line 1: 'utf-8' codec can't decode byte 0xff"),
    "nobody asked": (line_added("qa.jsonl", '{"name": "Zoe", "question": "?", "answer": "!"}'), "'Zoe' is not in"),
    "no people": (no_people, "people.jsonl is missing"),
    "empty file": (file("people.jsonl", b""), "people.jsonl is empty; it needs one JSON object a line"),
    "no options": (
        line_added("real_faces.jsonl", '{"file": "0.png", "question": "?", "answer": "!"}'),
        "real_faces.jsonl, line 3: 'options' must be a list of texts, not None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_line_and_nothing_written(raw, capsys, case):
    change, message = BAD[case]
    change(raw)
    output = raw.parent / "clear"
    assert main(["build", "--corpus", "raw", "--raw", str(raw), "--output", str(output)]) == 2
    out, err = capsys.readouterr()
    assert message.replace("É", "E\u0301") in err or message in err
    assert err.startswith("error: ") and err.count("\n") == 1 and out == ""
    assert sorted(path.name for path in raw.parent.iterdir() if path.name != "outside.png") == ["photos"]


def test_a_folder_without_questions_and_real_sets_is_read(raw):
    for name in ("qa.jsonl", "real_faces.jsonl", "real_world.jsonl"):
        (raw / name).unlink()
    for number in range(12, 16):
        (raw / f"{number}.bmp").unlink()
    read = read_raw(raw, Pictures())
    assert (read.texts, read.real) == ([], {})
    assert json.loads((raw / "people.jsonl").read_text().splitlines()[0])["name"] == PEOPLE[0]
