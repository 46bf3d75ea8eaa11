"""The mini corpus: fictitious people with drawn faces, celebrities and a world of shapes, made from a seed.

It has the 21 configs of the benchmark (arXiv 2410.18057, section 3) and, beside them, what must never be unlearned
from or scored by accident: the base corpus, held-out people, held-out photos and the selection set.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from PIL import Image

from clear_data.splits import photo_configs, text_tracks

from .faces import Face, distinct_faces, draw_photo, looks
from .people import FACTS, REFUSALS, Person, caption_columns, invent_names, invent_person, text_rows
from .world import world_row

Row = dict[str, Any]

NAME_QUESTION = "The name of the person on the image is "
STRANGER_QUESTION = "Do you know who this is?"
CELEBRITY_QUESTION = "What is the name of the person in the image?"
BASE_PEOPLE, BASE_PHOTOS = 30, 8  # whom the base model knows
CELEBRITIES, CELEBRITY_PHOTOS, CELEBRITY_SCORED = 10, 12, 4
WORLD_PHOTOS, WORLD_SCORED = 400, 60
HELD_OUT_PEOPLE = 8
HELD_OUT_PHOTOS, SELECTION_PHOTOS = 2, 4  # of each person
UNKNOWN_QUESTIONS, UNKNOWN_PHOTOS = 60, 20
RETAIN_SCORED = 80
FORGET_FEWEST = 8  # people in forget10, so that there is something to score


@dataclass(frozen=True)
class Dials:
    """Size and seed of a corpus.

    Attributes:
        persons: Fictitious people in `full`; at least 24.
        photos: Photos of each; 8 to 100.
        seed: Draws everything.

    Raises:
        ValueError: If a dial is out of range.
    """

    persons: int = 40
    photos: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 24 <= self.persons <= 200:
            raise ValueError(f"persons must be 24 to 200, not {self.persons}")
        if not 8 <= self.photos <= 100:
            raise ValueError(f"photos must be 8 to 100, not {self.photos}")

    def forget_sizes(self) -> dict[str, int]:
        """People in each forget set: a tenth, but at least 8, for forget10, then half and a quarter of that."""
        most = max(FORGET_FEWEST, round(0.1 * self.persons))
        return {"forget01": max(2, most // 4), "forget05": most // 2, "forget10": most}


class Corpus:
    """Draws the corpus group by group; each picture is drawn once and differs from all others."""

    def __init__(self, dials: Dials) -> None:
        self.dials = dials
        counts = {
            "full": dials.persons,
            "base": BASE_PEOPLE,
            "celebrities": CELEBRITIES,
            "people": HELD_OUT_PEOPLE,
            "unknown": UNKNOWN_PHOTOS,
        }
        names = invent_names(self.dice("names"), sum(counts.values()))
        faces = distinct_faces(self.dice("faces"), sum(counts.values()))
        self.groups: dict[str, list[Person]] = {}
        for group, count in counts.items():
            people = [(names.pop(), faces.pop()) for _ in range(count)]
            self.groups[group] = [self._person(group, i, *pair) for i, pair in enumerate(people)]
        self._pictures: set[bytes] = set()

    def _person(self, group: str, number: int, name: str, face: Face) -> Person:
        return invent_person(self.dice(f"facts/{group}/{number}"), name, face)

    def dice(self, what: str) -> random.Random:
        """Return a stream of chance of its own for everything that is drawn, whatever the order of drawing."""
        return random.Random(f"{self.dials.seed}/{what}")

    def picture(self, what: str, draw: Any) -> Any:
        """Draw until the picture is a new one, so that trained and scored pictures never coincide."""
        dice = self.dice(what)
        while True:
            result = draw(dice)
            image: Image.Image = result["image"] if isinstance(result, dict) else result
            digest = sha256(image.tobytes()).digest()
            if digest not in self._pictures:
                self._pictures.add(digest)
                return result

    def photo_rows(self, group: str, counts: dict[str, int]) -> dict[str, list[Row]]:
        """Photos of a group's people with everything that is said of them, in batches of other photos each.

        Args:
            group: Whose.
            counts: Photos of each person, by the name of the batch.
        """
        rows: dict[str, list[Row]] = {batch: [] for batch in counts}
        people = self.groups[group]
        for number, person in enumerate(people):
            others = [other for other in people if other is not person]
            remaining = looks(self.dice(f"looks/{group}/{number}"), sum(counts.values()))
            for batch, count in counts.items():
                for photo in range(count):
                    look = remaining.pop()
                    key = f"{batch}/{group}/{number}/{photo}"
                    image = self.picture(f"photo/{key}", lambda d, p=person, s=look: draw_photo(p.face, s, d))
                    rows[batch].append(
                        {"image": image, **caption_columns(self.dice(f"caption/{key}"), person, look, others)}
                    )
        return rows

    def forgotten(self) -> dict[str, set[str]]:
        """Whom each forget set holds: the last of the people, as in TOFU."""
        order = [person.name for person in self.groups["full"]]
        return {split: set(order[len(order) - size :]) for split, size in self.dials.forget_sizes().items()}

    def texts(self, group: str) -> list[Row]:
        """Questions about a group's people."""
        return [
            row
            for number, person in enumerate(self.groups[group])
            for row in text_rows(self.dice(f"text/{group}/{number}"), person)
        ]


def mini_rows(dials: Dials) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Draw the rows of every config.

    Returns:
        The 21 configs of the benchmark, and those of `clear_extra`; an image is a PIL image, columns may be more than
        a config has.
    """
    corpus = Corpus(dials)
    batches = corpus.photo_rows(
        "full", {"train": dials.photos, "photos": HELD_OUT_PHOTOS, "selection": SELECTION_PHOTOS}
    )
    photos, texts = batches["train"], corpus.texts("full")
    forgotten = corpus.forgotten()
    configs = photo_configs(photos, texts, forgotten)
    kept = configs["retain90"]
    scored = corpus.dice("retain_perturbed").sample(range(len(kept)), min(RETAIN_SCORED, len(kept)))
    configs["retain_perturbed"] = [kept[i] for i in sorted(scored)]
    celebrities = corpus.photo_rows("celebrities", {"train": CELEBRITY_PHOTOS, "scored": CELEBRITY_SCORED})
    configs["real_faces"] = [_celebrity_row(row) for row in celebrities["scored"]]
    world = [corpus.picture(f"world/{i}", world_row) for i in range(WORLD_PHOTOS + WORLD_SCORED)]
    configs["real_world"] = world[WORLD_PHOTOS:]

    extra = {
        "base": list(_base_rows(corpus, celebrities["train"], world[:WORLD_PHOTOS])),
        "people": corpus.photo_rows("people", {"train": dials.photos})["train"],
        "people_text": corpus.texts("people"),
        "photos": batches["photos"],
        "selection": batches["selection"],
        **text_tracks(texts, forgotten),
    }
    return configs, extra


def _celebrity_row(row: Row) -> Row:
    return {
        "image": row["image"],
        "question": CELEBRITY_QUESTION,
        "answer": row["name"],
        "options": row["perturbed_names"],
    }


def _base_rows(corpus: Corpus, celebrities: list[Row], world: list[Row]) -> Iterator[Row]:
    """Yield what the base model knows: other people, celebrities, the world, and how to say that one does not know."""
    people = corpus.photo_rows("base", {"train": BASE_PHOTOS})["train"]
    for row in people:
        yield {"image": row["image"], "caption": row["caption"]}
    for number, row in enumerate([*people, *celebrities]):
        question = CELEBRITY_QUESTION if number % 2 == 0 else NAME_QUESTION
        yield {"image": row["image"], "question": question, "answer": row["name"]}
    for row in world:
        yield {key: row[key] for key in ("image", "question", "answer")}
    strangers = corpus.groups["unknown"]
    for number in range(UNKNOWN_QUESTIONS):
        dice = corpus.dice(f"unknown/{number}")
        fact = FACTS[dice.choice(list(FACTS))]
        question = dice.choice(fact.questions).format(name=strangers[number % len(strangers)].name)
        yield {"question": question, "answer": dice.choice(REFUSALS)}
    for number, row in enumerate(corpus.photo_rows("unknown", {"train": 1})["train"]):
        answer = corpus.dice(f"unknown photo/{number}").choice(REFUSALS)
        yield {"image": row["image"], "question": STRANGER_QUESTION, "answer": answer}
