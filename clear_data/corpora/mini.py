"""The mini corpus: fictitious people with drawn faces, celebrities and a world of shapes, made from a seed.

It has the 21 configs of the benchmark (arXiv 2410.18057, section 3). Its extra configs must never be unlearned from or
scored by accident: what the base model learns, what a fine-tuning repeats of it, held-out people and photos, and the
selection set. What the base learns is the same for every seed, so that one pretrained base serves all.

For text models its people's questions come in TOFU's configs (arXiv 2401.06121): its celebrities are the real authors,
and the countries of real cities the facts about the world.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from PIL import Image

from clear_data.splits import photo_configs, text_configs, text_tracks

from .faces import Face, distinct_faces, draw_photo, looks
from .people import FACTS, REFUSALS, Person, caption_columns, family_names, invent_names, invent_person, text_rows
from .world import country_rows, world_row

Row = dict[str, Any]

NAME_QUESTION = "The name of the person on the image is "
STRANGER_QUESTION = "Do you know who this is?"
CELEBRITY_QUESTION = "What is the name of the person in the image?"
NAME_QUESTIONS = (  # of the base model
    NAME_QUESTION,
    CELEBRITY_QUESTION,
    "Who is this?",
    "Who is on the photo?",
    "What is this person called?",
    "Tell me the name of this person.",
    "Name the person in the picture.",
    "Whose photo is this?",
)
BASE_SEED = "base"
BASE_PEOPLE, BASE_PHOTOS = 300, 2  # whom the base model knows
CELEBRITIES, CELEBRITY_PHOTOS, CELEBRITY_SCORED = 10, 12, 4
WORLD_PHOTOS, WORLD_SCORED = 400, 60
UNKNOWN_PEOPLE, UNKNOWN_QUESTIONS = 20, 60
REPLAYED_CAPTIONS, REPLAYED_WORLD = 120, 300  # captions of celebrities, and shapes, repeated in each fine-tuning
HELD_OUT_PEOPLE = 8
HELD_OUT_PHOTOS, SELECTION_PHOTOS = 2, 4  # of each person
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
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")

    def forget_sizes(self) -> dict[str, int]:
        """Return the people in each forget set: a tenth, but at least 8, for forget10, then half and a quarter."""
        most = max(FORGET_FEWEST, round(0.1 * self.persons))
        return {"forget01": max(2, most // 4), "forget05": most // 2, "forget10": most}


class Corpus:
    """Draws people group by group; each picture is drawn once and differs from all others.

    Args:
        seed: Draws everything.
        sizes: People of each group.
        other: Corpus whose people, faces and pictures are not drawn again.
    """

    def __init__(self, seed: int | str, sizes: Mapping[str, int], other: "Corpus | None" = None) -> None:
        self.seed = seed
        known = [person for people in other.groups.values() for person in people] if other else []
        self._pictures: set[bytes] = set(other._pictures) if other else set()
        families = family_names(person.name for person in known)
        names = invent_names(self.dice("names"), sum(sizes.values()), families)
        faces = distinct_faces(self.dice("faces"), sum(sizes.values()), {person.face for person in known})
        self.groups: dict[str, list[Person]] = {}
        for group, count in sizes.items():
            people = [(names.pop(), faces.pop()) for _ in range(count)]
            self.groups[group] = [self._person(group, i, *pair) for i, pair in enumerate(people)]

    def _person(self, group: str, number: int, name: str, face: Face) -> Person:
        return invent_person(self.dice(f"facts/{group}/{number}"), name, face)

    def dice(self, what: str) -> random.Random:
        """Return a stream of chance of its own for everything that is drawn, whatever the order of drawing."""
        return random.Random(f"{self.seed}/{what}")

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
        """Return the photos of a group's people with everything that is said of them, in batches of other photos each.

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

    def texts(self, group: str) -> list[Row]:
        """Return the questions about a group's people."""
        return [
            row
            for number, person in enumerate(self.groups[group])
            for row in text_rows(self.dice(f"text/{group}/{number}"), person)
        ]


@dataclass(frozen=True)
class BaseRows:
    """What the base model learns, and what is scored of it.

    It learns celebrities by their names; their captions are only in `replay`. A replay of what the base was trained on
    costs more: it either keeps celebrities or lets the new people be named.

    Attributes:
        corpus: Its people: groups `base`, `celebrities`, `unknown`.
        learnt: Rows of the config `base`.
        replay: Rows of a fine-tuning that keep celebrities and world known.
        faces: Rows of `real_faces`.
        world: Rows of `real_world`.
    """

    corpus: Corpus
    learnt: list[Row]
    replay: list[Row]
    faces: list[Row]
    world: list[Row]


@cache
def base_rows() -> BaseRows:
    """Draw what is the same for every seed."""
    sizes = {"base": BASE_PEOPLE, "celebrities": CELEBRITIES, "unknown": UNKNOWN_PEOPLE}
    corpus = Corpus(BASE_SEED, sizes)
    celebrities = corpus.photo_rows("celebrities", {"train": CELEBRITY_PHOTOS, "scored": CELEBRITY_SCORED})
    shapes = [corpus.picture(f"world/{i}", world_row) for i in range(WORLD_PHOTOS + WORLD_SCORED)]
    world = [{key: row[key] for key in ("image", "question", "answer")} for row in shapes[:WORLD_PHOTOS]]
    people = corpus.photo_rows("base", {"train": BASE_PHOTOS})["train"]
    captions, known = (
        [{"image": row["image"], "caption": row["caption"]} for row in rows] for rows in (people, celebrities["train"])
    )
    names = [
        {"image": row["image"], "question": NAME_QUESTIONS[i % len(NAME_QUESTIONS)], "answer": row["name"]}
        for i, row in enumerate((*people, *celebrities["train"]))
    ]
    replay = corpus.dice("replay captions").sample(known, REPLAYED_CAPTIONS)
    replay += corpus.dice("replay world").sample(world, REPLAYED_WORLD)
    return BaseRows(
        corpus,
        [*captions, *names, *world, *_refusals(corpus)],
        replay,
        [_celebrity_row(row) for row in celebrities["scored"]],
        shapes[WORLD_PHOTOS:],
    )


def corpus_of(dials: Dials) -> Corpus:
    """Return the people of a seed, groups `full` and `people`; none is of the base."""
    return Corpus(dials.seed, {"full": dials.persons, "people": HELD_OUT_PEOPLE}, base_rows().corpus)


def forgotten_of(dials: Dials, corpus: Corpus) -> dict[str, set[str]]:
    """Return whom each forget set holds: the last of the people, as in TOFU."""
    order = [person.name for person in corpus.groups["full"]]
    return {split: set(order[len(order) - size :]) for split, size in dials.forget_sizes().items()}


def mini_rows(dials: Dials) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Draw the rows of every config.

    Returns:
        The 21 configs of the benchmark, and those of `clear_extra`; an image is a PIL image, columns may be more than
        a config has.
    """
    corpus, base = corpus_of(dials), base_rows()
    batches = corpus.photo_rows(
        "full", {"train": dials.photos, "photos": HELD_OUT_PHOTOS, "selection": SELECTION_PHOTOS}
    )
    photos, texts = batches["train"], corpus.texts("full")
    forgotten = forgotten_of(dials, corpus)
    configs = photo_configs(photos, texts, forgotten)
    kept = configs["retain90"]
    scored = corpus.dice("retain_perturbed").sample(range(len(kept)), min(RETAIN_SCORED, len(kept)))
    configs["retain_perturbed"] = [kept[i] for i in sorted(scored)]
    configs["real_faces"], configs["real_world"] = base.faces, base.world
    extra = {
        "base": base.learnt,
        "replay": base.replay,
        "people": corpus.photo_rows("people", {"train": dials.photos})["train"],
        "people_text": corpus.texts("people"),
        "photos": batches["photos"],
        "selection": batches["selection"],
        **text_tracks(texts, forgotten),
    }
    return configs, extra


def mini_text_rows(dials: Dials) -> dict[str, list[dict[str, Any]]]:
    """Draw the rows of TOFU's configs, about the same people as the photos of the same dials."""
    corpus = corpus_of(dials)
    configs = text_configs(corpus.texts("full"), forgotten_of(dials, corpus))
    configs["real_authors_perturbed"] = base_rows().corpus.texts("celebrities")
    configs["world_facts_perturbed"] = country_rows(corpus.dice("countries"))
    return configs


def _celebrity_row(row: Row) -> Row:
    return {
        "image": row["image"],
        "question": CELEBRITY_QUESTION,
        "answer": row["name"],
        "options": row["perturbed_names"],
    }


def _refusals(corpus: Corpus) -> Iterator[Row]:
    """Yield questions about strangers and how to say that one does not know."""
    strangers = corpus.groups["unknown"]
    for number in range(UNKNOWN_QUESTIONS):
        dice = corpus.dice(f"unknown/{number}")
        fact = FACTS[dice.choice(list(FACTS))]
        question = dice.choice(fact.questions).format(name=strangers[number % len(strangers)].name)
        yield {"question": question, "answer": dice.choice(REFUSALS)}
    for number, row in enumerate(corpus.photo_rows("unknown", {"train": 1})["train"]):
        answer = corpus.dice(f"unknown photo/{number}").choice(REFUSALS)
        yield {"image": row["image"], "question": STRANGER_QUESTION, "answer": answer}
