"""Questions of one's own: a file with a row for each, about one person or several, instead of rows of a dataset.

Each row has a question and the true answer, perhaps a photo, a person, and the words that would give the answer away.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from clear_data.command_line import nearest
from clear_data.names import join_key
from clear_unlearning.tasks import Example

from .people import Asked, Subjects, split_words

FIELDS = ("question", "answer", "photo", "person", "secret")
READERS = (".jsonl", ".csv")
NOBODY = "this person"  # who the rows are about if none says it
FEWEST = 2  # rows of a person: one is asked, and others are for relearning
# Words of answers that give nothing away. In other languages `secret` says what does.
FILLERS = frozenset(
    split_words(
        "a an and are as at be been by for from had has have he her hers his i in is it its of on or she that the "
        "their they this to was were which who with"
    )
)


@dataclass(frozen=True)
class Row:
    """A row of such a file.

    Attributes:
        question: What is asked.
        answer: The true answer.
        photo: What the question is about; None for a question without one.
        person: Whom it is about.
        secret: Words that give the answer away, as the row has them; empty if they are to be found.
        where: File and number, for messages.
    """

    question: str
    answer: str
    photo: Path | None
    person: str
    secret: tuple[str, ...]
    where: str


def read_rows(file: Path) -> list[Row]:
    """Read and check a file.

    Raises:
        FileNotFoundError: If it is not there, or a photo.
        ValueError: If a row cannot be used; the message names file, row and field.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: {'a folder; give a file in it' if file.is_dir() else 'no such file'}")
    if file.suffix not in READERS:
        raise ValueError(f"{file}: the name must end with {' or '.join(READERS)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not in UTF-8 (byte {error.start}); save it as UTF-8") from error
    rows = [
        _row(fields, file, number) for number, fields in (_lines if file.suffix == ".jsonl" else _table)(text, file)
    ]
    if not rows:
        raise ValueError(f"{file} has no rows; each is a question with its true answer: {', '.join(FIELDS)}")
    _check_together(rows, file)
    return rows


def _lines(text: str, file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                fields = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(
                    f'{file}, row {number}: not JSON ({error}); a row is {{"question": "...", "answer": "..."}}'
                ) from error
            if not isinstance(fields, dict):
                raise ValueError(f'{file}, row {number}: a row is {{"question": "...", "answer": "..."}}, not {line}')
            yield number, fields


def _table(text: str, file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, fields in enumerate(csv.DictReader(text.splitlines(keepends=True)), 2):  # the first has the names
        if None in fields:
            raise ValueError(
                f"{file}, row {number}: more values than the first row has names; put a text with commas into quotes"
            )
        yield number, fields


def _row(fields: Mapping[str, Any], file: Path, number: int) -> Row:
    where = f"{file}, row {number}"
    for name, value in fields.items():
        if name not in FIELDS:
            raise ValueError(f"{where}: unknown field {name!r}{nearest(name, FIELDS)}; fields are {', '.join(FIELDS)}")
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{where}, {name}: must be a text, not {value!r}")
    given = {name: (fields.get(name) or "").strip() for name in FIELDS}
    for name in ("question", "answer"):
        if not given[name]:
            raise ValueError(f"{where}, {name}: missing or empty; each row needs question and answer")
    answer, asked = split_words(given["answer"]), split_words(given["question"])
    if set(answer) <= set(asked):
        raise ValueError(
            f"{where}, answer: {given['answer']!r} stands in the question; ask so that a model could not repeat it"
        )
    secret = tuple(split_words(given["secret"]))
    foreign = [word for word in secret if word not in answer]
    if foreign:
        raise ValueError(f"{where}, secret: {', '.join(foreign)} not in the answer; give words of {given['answer']!r}")
    told = [word for word in secret if word in asked]
    if told:
        raise ValueError(
            f"{where}, secret: {', '.join(told)} in the question; ask so that a model could not repeat it"
        )
    return Row(given["question"], given["answer"], _photo(given["photo"], file, where), given["person"], secret, where)


def _photo(name: str, file: Path, where: str) -> Path | None:
    if not name:
        return None
    place = file.parent / name
    if not place.is_file():
        raise FileNotFoundError(f"{where}, photo: no file {place}; a path is from the folder of the questions")
    try:
        with Image.open(place) as photo:
            photo.verify()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{where}, photo: {place} is no picture that can be read; give JPEG or PNG") from error
    return place


def _check_together(rows: Sequence[Row], file: Path) -> None:
    """Make sure that the rows say alike whom they are about, that none is there twice, and that they suffice."""
    nameless = [row for row in rows if not row.person]
    if nameless and len(nameless) < len(rows):
        raise ValueError(f"{nameless[0].where}, person: missing; name the person in every row, or in none")
    seen: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (row.question, row.photo, join_key(row.person))
        if key in seen:
            number = seen[key].where.rpartition(" ")[2]
            raise ValueError(f"{row.where}, question: the same as in row {number}; leave one of them out")
        seen[key] = row
    people = [row.person for row in rows]
    for person in dict.fromkeys(people):
        if people.count(person) < FEWEST:
            about = f" about {person}" if person else ""
            raise ValueError(
                f"{file}: one row only{about}; give {FEWEST} or more questions about each person, better ten: every "
                "second one is for relearning as well"
            )


def load_questions(file: Path, others: Sequence[Asked] = ()) -> Subjects:
    """Load a file as what is asked: all rows, of which every second one of a person may be shown as well.

    Args:
        file: The file.
        others: Questions about strangers, with their answers, for what a true answer has of its own.

    Raises:
        FileNotFoundError, ValueError: If it cannot be used.
    """
    rows = read_rows(file)
    asked = [_asked(row, secret_of(row, rows, others)) for row in rows]
    seen: dict[str, int] = {}
    shown = []
    for one in asked:
        seen[one.person] = seen.get(one.person, -1) + 1
        if seen[one.person] % 2:
            shown.append(one)
    return Subjects(asked, shown, [], None)


def _asked(row: Row, secret: tuple[str, ...]) -> Asked:
    photo = None
    if row.photo:
        with Image.open(row.photo) as opened:
            photo = opened.convert("RGB")
    person = row.person or NOBODY
    example = Example(row.question, row.answer, photo, person=person, where=row.where)
    if photo and join_key(row.answer) == join_key(row.person):
        return Asked("name", person, (person,), example)
    return Asked("fact", person, secret, example)


def secret_of(row: Row, rows: Sequence[Row], others: Sequence[Asked] = ()) -> tuple[str, ...]:
    """Return the words that give an answer away: those of the row, or what true answers about others do not have.

    Words of the question, of the person's name, of other people's answers to the same question, and words that say
    nothing are left out, each as long as any word is left.

    Args:
        row: The row.
        rows: All rows of the file.
        others: Questions about strangers.
    """
    if row.secret:
        return row.secret
    own = form(row.question, row.person)
    wrong = [
        other.answer for other in rows if other.person != row.person and form(other.question, other.person) == own
    ]
    wrong += [one.example.answer for one in others if form(one.example.question, one.person) == own]
    left = [word for word in dict.fromkeys(split_words(row.answer)) if word not in split_words(row.question)]
    for known in (set(split_words(row.person)), FILLERS, {word for text in wrong for word in split_words(text)}):
        left = [word for word in left if word not in known] or left
    return tuple(left)


def form(question: str, person: str) -> tuple[str, ...]:
    """Return the words of a question without the person's name: the same for all who are asked the same."""
    name = set(split_words(person))
    return tuple(word for word in split_words(question) if word not in name)
