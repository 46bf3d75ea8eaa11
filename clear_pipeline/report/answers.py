"""The report's grid: a handful of photos or questions, the truth, and what each model answers."""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from PIL import Image

from clear_unlearning.tasks import IMAGE_TASKS
from evaluate_metrics.log_format import TaskLog
from evaluate_metrics.tasks import FORGET_TASK, SECTIONS, tasks_of

ANSWER_COLUMN = {task.key: task.answer for task in IMAGE_TASKS}
LONGEST = 240  # characters of an answer that are shown
LARGEST, SMALL = 320, 128  # pixels of a photo's longer side: larger ones are scaled down, small ones kept exactly


@dataclass(frozen=True)
class Answer:
    """What one model says.

    Attributes:
        model: Its name in the report.
        words: The answer in pieces, each with whether the truth has it too; their concatenation is the answer.
        rouge: ROUGE-L recall against the truth.
    """

    model: str
    words: list[tuple[str, bool]]
    rouge: float


@dataclass(frozen=True)
class Question:
    """A question, its true answer, and the models' answers."""

    question: str
    truth: str
    answers: list[Answer]


@dataclass(frozen=True)
class Card:
    """A row of the data: its photo as a data URI, None for text, and the questions about it."""

    photo: str | None
    questions: list[Question]


@dataclass(frozen=True)
class Section:
    """Cards of one set."""

    title: str
    about: str
    cards: list[Card]


@dataclass(frozen=True)
class PersonRow:
    """A person of the ledger: photo as a data URI (None for text), name, and by model what `gold_distance` found."""

    photo: str | None
    name: str
    cells: list[dict[str, Any] | None]


def people_rows(
    rows: Sequence[Mapping[str, Any]], tasks: Mapping[str, Mapping[str, Any]], load: Callable[[str], Dataset]
) -> list[PersonRow]:
    """Return the ledger of a report: its forgotten people with each model's share of what the original knew.

    Args:
        rows: Rows of the report.
        tasks: Config, `images` and `person` of each task.
        load: Gives the rows of a config.
    """
    ledgers = [{about["person"]: about for about in row["people"]} for row in rows]
    place = tasks.get(FORGET_TASK, {})
    persons = place.get("person") or []
    photos = load(place["config"]) if place.get("images") and any(ledgers) else None
    names = list(dict.fromkeys(name for ledger in ledgers for name in ledger))
    return [
        PersonRow(
            photo_uri(photos[persons.index(name)]["image"]) if photos is not None and name in persons else None,
            name,
            [ledger.get(name) for ledger in ledgers],
        )
        for name in names
    ]


def answer_sections(
    logs: Mapping[str, Mapping[str, TaskLog]], tasks: Mapping[str, Mapping[str, Any]], load: Callable[[str], Dataset]
) -> list[Section]:
    """Collect the grid. Which rows it shows depends only on the persons, never on the answers.

    Args:
        logs: The log of each model by its name, all of the same rows.
        tasks: Config, `images` and `person` of each task, as the metadata of a log have them; empty for a bare log,
            which is shown without photos.
        load: Gives the rows of a config.

    Returns:
        The sections of which the logs hold generated answers.

    Raises:
        ValueError: If the rows that `load` gives are not those of the log.
    """
    first = next(iter(logs.values()))
    sections = []
    for section in SECTIONS:
        present = [
            key for key in tasks_of(section) if key in first and all(log[key].generated for log in logs.values())
        ]
        if not present:
            continue
        place = tasks.get(present[0], {})
        rows = load(place["config"]) if place.get("images") else None
        cards = []
        for row in shown_rows(len(first[present[0]].generated), place.get("person"), section.rows):
            for key in present if rows else ():
                _check_row(rows, place["config"], row, key, first[key].generated[row][2])
            questions = [_question(logs, key, row) for key in present]
            cards.append(Card(photo_uri(rows[row]["image"]) if rows else None, questions))
        sections.append(Section(section.title, section.about, cards))
    return sections


def shown_rows(rows: int, persons: Sequence[str | None] | None, count: int) -> list[int]:
    """Pick up to `count` rows, evenly over the persons: the first row of each.

    Args:
        rows: Number of rows.
        persons: Whom each row is about; without them the rows are spread evenly.
        count: Rows wanted.
    """
    first: dict[Any, int] = {}
    for row in range(rows):
        first.setdefault(persons[row] if persons and persons[row] is not None else row, row)
    candidates = list(first.values())
    count = min(count, len(candidates))
    return [candidates[i * len(candidates) // count] for i in range(count)]


def photo_uri(image: Image.Image) -> str:
    """Return a photo as a data URI, small enough for a page."""
    image = image.convert("RGB")
    image.thumbnail((LARGEST, LARGEST))
    kind = "PNG" if max(image.size) <= SMALL else "JPEG"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=85)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def marked_words(answer: str, truth: str) -> list[tuple[str, bool]]:
    """Cut an answer into pieces that consist of words of the truth, and pieces that do not."""
    known = {word.casefold() for word in re.findall(r"\w+", truth)}
    pieces: list[tuple[str, bool]] = []
    for piece in re.findall(r"\w+\W*|\W+", answer):
        word = re.match(r"\w+", piece)
        shared = bool(word) and word.group().casefold() in known
        if pieces and pieces[-1][1] == shared:
            pieces[-1] = (pieces[-1][0] + piece, shared)
        else:
            pieces.append((piece, shared))
    return pieces


def _question(logs: Mapping[str, Mapping[str, TaskLog]], key: str, row: int) -> Question:
    prompt, _, truth = next(iter(logs.values()))[key].generated[row]
    answers = []
    for model, log in logs.items():
        text = log[key].generated[row][1].strip()
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text)} characters)"
        answers.append(Answer(model, marked_words(shown, truth), float(log[key].rouge[row])))
    return Question(prompt.strip(), truth, answers)


def _check_row(rows: Dataset | None, config: str, row: int, key: str, truth: str) -> None:
    """Make sure that a photo stands beside its own answers."""
    if rows is None or row >= len(rows) or rows[row][ANSWER_COLUMN[key]] != truth:
        raise ValueError(f"row {row} of {config!r} is not that of the log ({key}: {truth!r}): other data than scored")
