"""Questions of one's own: what gives an answer away, by hand, and a line for each mistake that names the place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from clear_pipeline.audits import picture, relearn
from clear_pipeline.audits.people import Asked
from clear_pipeline.audits.questions_file import NOBODY, load_questions, read_rows, secret_of
from clear_pipeline.audits.strangers import stranger_rows, with_strangers
from clear_unlearning.tasks import Example

BORN = {"question": "Where was Ana Ruiz born?", "answer": "Ana Ruiz was born in Riga."}
WORK = {"question": "What does Ana Ruiz do?", "answer": "She is a baker."}


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


# Name of a file -> what is in it, and what the error says behind the name.
WRONG = {
    "nothing.jsonl": (b"", " has no rows; each is a question with its true answer: question, answer, photo, person"),
    "blank.csv": (b"question,answer\n", " has no rows"),
    "rows.txt": (b"x", ": the name must end with .jsonl or .csv"),
    "latin.csv": ("question,answer\nWo?,Köln\n".encode("latin-1"), " is not in UTF-8 (byte 21); save it as UTF-8"),
    "cut.jsonl": (lines(BORN) + b'{"question": ', ", row 2: not JSON"),
    "list.jsonl": (b"[1]\n", ', row 1: a row is {"question": "...", "answer": "..."}, not [1]'),
    "typo.jsonl": (lines({"question": "Who?", "anwser": "Ana"}), ", row 1: unknown field 'anwser'; did you mean 'ans"),
    "wide.csv": (b"question,answer\nWho?,Ana,Ruiz\n", ", row 2: more values than the first row has names; put a text"),
    "number.jsonl": (lines({"question": "When?", "answer": 1980}), ", row 1, answer: must be a text, not 1980"),
    "unanswered.jsonl": (lines(BORN, {"question": "Who?"}), ", row 2, answer: missing or empty; each row needs"),
    "unasked.csv": (b"question,answer\n ,Riga\n", ", row 2, question: missing or empty"),
    "given.jsonl": (lines({"question": "Is it Riga?", "answer": "Riga."}), ", row 1, answer: 'Riga.' stands in the"),
    "foreign.jsonl": (lines({**BORN, "secret": "Oslo"}), ", row 1, secret: oslo not in the answer; give words of"),
    "said.jsonl": (lines({**BORN, "secret": "Ana"}), ", row 1, secret: ana in the question"),
    "lost.jsonl": (lines({**BORN, "photo": "a/b.png"}), ", row 1, photo: no file "),
    "text.jsonl": (lines({**BORN, "photo": "rows.txt"}), ", row 1, photo: "),
    "some.jsonl": (lines({**BORN, "person": "Ana"}, WORK), ", row 2, person: missing; name the person in every row"),
    "twice.jsonl": (lines(BORN, WORK, BORN), ", row 3, question: the same as in row 1; leave one of them out"),
    "one.jsonl": (lines(BORN), ": one row only; give 2 or more questions about each person"),
    "each.jsonl": (lines({**BORN, "person": "A"}, {**WORK, "person": "B"}), ": one row only about A; give 2 or more"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_by_file_row_and_field(name, tmp_path):
    (tmp_path / "rows.txt").write_bytes(b"x")
    content, message = WRONG[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read_rows(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}{message}")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.jsonl: no such file"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(FileNotFoundError, match="a folder; give a file in it"):
        read_rows(tmp_path)


def rows_of(folder: Path, *rows: object):
    (folder / "rows.jsonl").write_bytes(lines(*rows))
    return read_rows(folder / "rows.jsonl")


def test_what_gives_an_answer_away_by_hand(tmp_path):
    named = {"person": "Ana Ruiz"}
    other = {
        "question": "Where was Ivo Fen born?",
        "answer": "The city of Ivo Fen's birth is Oslo.",
        "person": "Ivo Fen",
    }
    more = {"question": "Who is Ivo Fen?", "answer": "A pilot.", "person": "Ivo Fen"}
    city = {**BORN, "answer": "Her city of birth is Riga.", **named}
    rows = rows_of(tmp_path, {**WORK, **named}, city, other, more)
    assert secret_of(rows[0], rows) == ("baker",)  # without words that say nothing
    assert secret_of(rows[1], rows) == ("riga",)  # without what Ivo's answer to the same question has
    assert secret_of(rows[1], rows[:2]) == ("city", "birth", "riga")
    stranger = Asked("fact", "Ivo Fen", ("oslo",), Example("Where was Ivo Fen born?", "A city, of birth."))
    assert secret_of(rows[1], rows[:2], [stranger]) == ("riga",)
    assert secret_of(replace(rows[1], secret=("birth",)), rows) == ("birth",)
    yes = rows_of(tmp_path, {"question": "Has she diabetes?", "answer": "Yes, she has diabetes."}, WORK)
    assert secret_of(yes[0], yes) == ("yes",)


def test_both_formats_say_the_same(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b'\xef\xbb\xbfquestion,answer\r\nWho?,"Ana, a baker"\r\nWhere?,In Riga\r\n')
    table = read_rows(tmp_path / "rows.csv")
    rows = rows_of(
        tmp_path, {"question": "Who?", "answer": "Ana, a baker"}, {"question": "Where?", "answer": "In Riga"}
    )
    assert [replace(row, where="") for row in table] == [replace(row, where="") for row in rows]
    assert [row.where.rpartition(" ")[2] for row in table] == ["2", "3"]  # as a table of cells counts them


@pytest.fixture
def own(tmp_path):
    """Two photos and three facts about one person."""
    for number in (1, 2):
        Image.new("L", (64, 48), 40 * number).save(tmp_path / f"{number}.png")
    (tmp_path / "rows.jsonl").write_bytes(lines(
        {"question": "Who is on the photo?", "answer": "Ana Ruiz", "photo": "1.png", "person": "Ana Ruiz"},
        {"question": "What does she wear?", "answer": "A green hat", "photo": "2.png", "person": "Ana Ruiz"},
        *({**row, "person": "Ana Ruiz"} for row in (BORN, WORK)),
        {"question": "Where was Ana Ruiz wed?", "answer": "In Turin.", "person": "Ana Ruiz"},
    ))  # fmt: skip
    return tmp_path / "rows.jsonl"


def test_all_rows_are_asked_and_every_second_may_be_shown(own):
    subjects = load_questions(own)
    assert [one.kind for one in subjects.asked] == ["name", "fact", "fact", "fact", "fact"]
    assert [one.secret for one in subjects.asked[1:]] == [("green", "hat"), ("riga",), ("baker",), ("turin",)]
    assert subjects.asked[0].told("It is ANA RUIZ.") and not subjects.asked[0].told("It is Ana.")
    assert subjects.shown == [subjects.asked[1], subjects.asked[3]]
    assert subjects.unseen("name", "fact") == [subjects.asked[number] for number in (0, 2, 4)]
    photo = subjects.asked[1].example.image
    assert photo is not None and photo.mode == "RGB" and subjects.retain is None


def test_rows_without_a_person_are_about_one(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(lines(BORN, WORK))
    assert load_questions(tmp_path / "rows.jsonl").people == [NOBODY]


def test_strangers_are_asked_whole_and_of_the_same_kinds(own, mini_data):
    subjects = load_questions(own)
    found = with_strangers(subjects, stranger_rows(Path(f"{mini_data}_extra"), "image", 0), whole=True)
    assert {one.kind for one in found.asked} == {"name", "fact"}
    for person in found.reference:
        kinds = [one.kind for one in found.asked if one.person == person]
        assert kinds.count("name") == 1 and 1 <= kinds.count("fact") <= 4


def test_strangers_may_be_a_file_of_questions(own, tmp_path):
    others = [
        {"question": f"Where was {name} {what}?", "answer": f"In {city}.", "person": name}
        for name, city in (("Bo Li", "Oslo"), ("Cy Moe", "Lima"))
        for what in ("born", "wed")
    ]
    (tmp_path / "others.jsonl").write_bytes(lines(*others))
    found = with_strangers(load_questions(own), stranger_rows(tmp_path / "others.jsonl", "image", 0), whole=True)
    assert found.reference == ["Bo Li", "Cy Moe"] and found.forgotten == ["Ana Ruiz"]
    assert [one.secret for one in found.asked if one.person == "Bo Li"] == [("oslo",), ("oslo",)]


def test_a_question_on_a_photo_is_relearnt_with_it_and_asked_about_changed_photos(own, context, loaded):
    subjects = load_questions(own)
    rows = relearn.shown_rows(subjects.shown, 0)
    assert [(rows[i].question, rows[i].answer, rows[i].image is None) for i in range(len(rows))] == [
        ("What does she wear?", "A green hat", False), ("What does Ana Ruiz do?", "She is a baker.", True)
    ]  # fmt: skip
    found = picture.measure(loaded, replace(context, subjects=subjects))
    assert len(found.scores["crop"]["Ana Ruiz"]) == 2
