"""Whom an audit asks about: photos and facts of each person, half of them asked, half of them shown to a model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from clear_data.names import join_key, mentions
from clear_dataset import load_clear
from clear_pipeline.arguments import DataArguments, SidesArguments
from clear_pipeline.forget_request import questions_about, rows_of
from clear_unlearning.tasks import NAME_QUESTION, Example, Task, caption_question
from evaluate_metrics.tasks import FORGET_TASK
from evaluate_metrics.words import ALL_WORDS, word_pattern, words

_WORDS = word_pattern(ALL_WORDS)
KINDS = ("name", "caption", "fact")


@dataclass(frozen=True)
class Asked:
    """A question about a person, and the secret that an answer must not hold.

    Attributes:
        kind: `name` (who is on the photo), `caption` (what does the photo show) or `fact`.
        person: Whom it is about.
        secret: The person's name, or the words of a fact that tell its answer from the wrong ones.
        example: What the model is asked, with the true answer.
    """

    kind: str
    person: str
    secret: tuple[str, ...]
    example: Example

    def told(self, answer: str) -> bool:
        """Return whether an answer holds the secret, word for word."""
        if self.kind == "fact":
            return set(self.secret) <= set(split_words(answer))
        return mentions(join_key(answer), join_key(self.person))


@dataclass(frozen=True)
class Subjects:
    """All that the audits ask and show.

    Attributes:
        asked: What every model is asked.
        shown: Photos and facts of the same people: what relearning trains on and a probe learns from. These two ask
            about the others only; of a benchmark's rows no audit asks about them.
        strangers: Photos and facts of people whom no model was trained on; empty if there are none.
        retain: Training rows of everybody else; None if they are not at hand.
        reference: Those of the strangers who are asked about as well, in place of a gold.
    """

    asked: Sequence[Asked]
    shown: Sequence[Asked]
    strangers: Sequence[Asked]
    retain: Dataset | None
    reference: Sequence[str] = ()

    @property
    def people(self) -> list[str]:
        """All who are asked about, in the order of their rows."""
        return list(dict.fromkeys(one.person for one in self.asked))

    @property
    def forgotten(self) -> list[str]:
        """The people to be forgotten."""
        return [person for person in self.people if person not in self.reference]

    def of(self, *kinds: str) -> list[Asked]:
        """Return what is asked of some kinds."""
        return [one for one in self.asked if one.kind in kinds]

    def unseen(self, *kinds: str) -> list[Asked]:
        """Return what is asked of some kinds and not shown to a model."""
        shown = set(map(id, self.shown))
        return [one for one in self.of(*kinds) if id(one) not in shown]


def secret_words(question: str, answer: str, paraphrase: str, wrong: Sequence[str]) -> tuple[str, ...]:
    """Return what tells a fact: words of answer and paraphrase, not of the question and not of all wrong answers."""
    template = set.intersection(*(set(split_words(text)) for text in wrong)) if wrong else set()
    both = [word for word in split_words(answer) if word in set(split_words(paraphrase))]
    return tuple(dict.fromkeys(word for word in both if word not in template and word not in split_words(question)))


def load_subjects(data: DataArguments, questions: int, seed: int) -> Subjects:
    """Load the people of a forget request.

    Args:
        data: What is forgotten, and where the rows are.
        questions: Photos, and facts, of each person that are asked about at most; as many are shown.
        seed: Draws the caption questions.

    Raises:
        ValueError: If the rows do not say whom they are about, or a person has no second photo or fact.
    """
    asked: list[Asked] = []
    shown: list[Asked] = []
    beside = f"{data.dataset}_extra"
    for rows in _rows_about(data, beside):
        if "name" not in rows.column_names:
            raise ValueError(
                f"{data.dataset}: the rows of {data.forgotten()} have no column `name`; audits need people"
            )
        for found, more in zip((asked, shown), halves(rows_on(rows, seed), 2 * questions), strict=True):
            found.extend(more)
    if not asked:
        raise ValueError(f"{data.dataset} has no photos or facts about {data.forgotten()}")
    strangers = [one for rows in _unknown(data, beside) for _, each in rows_on(rows, seed) for one in each]
    retain = rows_of(data, SidesArguments(), lambda config: load_clear(config, data.dataset))["retain"]
    return Subjects(asked, shown, strangers, retain)


def halves(
    rows: Iterable[tuple[str, Sequence[Asked]]], most: int, whole: bool = False
) -> tuple[list[Asked], list[Asked]]:
    """Return the questions on each person's first rows, in turn, so that both halves have all kinds of rows.

    Args:
        rows: Person and questions of each row.
        most: Rows of each person.
        whole: All are asked, and the second half is shown as well.
    """
    seen: dict[str, int] = {}
    asked: list[Asked] = []
    shown: list[Asked] = []
    for person, questions in rows:
        number = seen[person] = seen.get(person, -1) + 1
        if number < most:
            asked += questions if whole or number % 2 == 0 else []
            shown += questions if number % 2 else []
    return asked, shown


def rows_on(rows: Dataset, seed: int) -> list[tuple[str, list[Asked]]]:
    """Return person and questions of each row; there is no question on a fact without a secret of its own.

    Args:
        rows: With a column `name`.
        seed: Draws the caption questions.
    """
    return [(row["name"], questions_on(row, index, seed)) for index, row in enumerate(rows)]  # type: ignore


def forget_rows(data: DataArguments) -> tuple[Task, Callable[[str], Dataset]]:
    """Return the forget task of the track, and what loads its rows."""
    tasks, source = data.questions()
    task = next(task for task in tasks if task.key == FORGET_TASK)
    return task, questions_about(data, lambda config: load_clear(config, source))


def _rows_about(data: DataArguments, beside: str) -> list[Dataset]:
    """Return photos and facts of the people to forget, as far as there are any, with wrong answers."""
    task, load = forget_rows(data)
    found = [load(task.config.format(forget=data.forget))]
    if task.images and Path(beside, "retain_text").is_dir():
        texts = questions_about(data, lambda config: load_clear(config, beside))
        found.append(texts(f"{data.forget}_text"))
    return found


def _unknown(data: DataArguments, beside: str) -> list[Dataset]:
    configs = ("people", "people_text") if data.track == "image" else ("people_text",)
    return [load_clear(config, beside) for config in configs if Path(beside, config).is_dir()]


def questions_on(row: Mapping[str, Any], index: int, seed: int) -> list[Asked]:
    """Return the questions on a row: two on a photo, one on a fact; none on a fact without a secret of its own."""
    person, image = row["name"], row.get("image")
    if image is None:
        wrong = row["perturbed_answer"]
        secret = secret_words(row["question"], row["answer"], row["paraphrased_answer"], wrong)
        example = Example(row["question"], row["answer"], person=person, where=f"fact {index}")
        return [Asked("fact", person, secret, example)] if secret else []
    about = Example(NAME_QUESTION, person, image.convert("RGB"), person=person, where=f"photo {index}")
    caption = replace(about, question=caption_question(index, seed), answer=row["caption"])
    return [Asked("name", person, (person,), about), Asked("caption", person, (person,), caption)]


def by_person(asked: Sequence[Asked], values: Sequence[float]) -> dict[str, list[float]]:
    """Return the values of questions by the person whom they are about."""
    found: dict[str, list[float]] = {}
    for one, value in zip(asked, values, strict=True):
        found.setdefault(one.person, []).append(float(value))
    return found


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word for word, _ in words(text, _WORDS)]
