"""Reading people of one's own: what is read, and what each wrong input prints."""

import json
import struct
import zlib

import pytest

from clear_data.building.pictures import Pictures
from clear_data.configs import FORGET
from clear_data.corpora.raw import read_raw
from clear_dataset import load_clear, main
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
    "no such forget set": (person(1, forget="forget02"), "line 2: 'forget' must be one of forget01, forget05"),
    "a scored photo of two": (
        line_added("real_faces.jsonl", '{"file": "14.bmp", "question": "?", "answer": "a hat", "options": ["b"]}'),
        "real_world.jsonl, line 1: the photo '14.bmp' of real_world is also one of real_faces",
    ),
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


def test_own_people_say_who_is_forgotten(raw, capsys):
    for number, split in ((1, "forget10"), (4, "forget05")):
        person(number, forget=split)(raw)
    output = raw.parent / "clear"
    assert main(["build", "--corpus", "raw", "--raw", str(raw), "--output", str(output)]) == 0
    names = {split: set(load_clear(split, output)["name"]) for split in FORGET}
    assert names == {"forget01": {PEOPLE[4]}, "forget05": {PEOPLE[4]}, "forget10": {PEOPLE[1], PEOPLE[4]}}
    assert "note: forget01 and forget05 hold the same 1 people" in capsys.readouterr().out
    flags = ["--forget_percent", "1,5,10", "--overwrite"]
    assert main(["build", "--corpus", "raw", "--raw", str(raw), "--output", str(output), *flags]) == 2
    assert "--forget_percent draws whom to forget, and people.jsonl says it" in capsys.readouterr().err


def test_somebody_must_be_retained(raw, capsys):
    for number in range(len(PEOPLE)):
        person(number, forget="forget10")(raw)
    assert main(["build", "--corpus", "raw", "--raw", str(raw), "--output", str(raw.parent / "clear")]) == 2
    assert "people.jsonl leaves nobody to retain" in capsys.readouterr().err


def test_lines_as_other_programs_write_them_are_read(raw):
    line_added("real_world.jsonl", '{"file": "14.bmp", "question": "Else?", "answer": "no", "options": ["yes"]}')(raw)
    for name in ("people.jsonl", "qa.jsonl", "real_world.jsonl"):
        lines = (raw / name).read_bytes().replace(b"\n", b"\r\n\r\n")
        (raw / name).write_bytes(b"\xef\xbb\xbf" + lines + b" \n\n")
    read = read_raw(raw, Pictures())
    assert len(read.people) == 6 and len(read.texts) == 12
    assert [row["image"].name for row in read.real["real_world"]].count("14.bmp") == 2
