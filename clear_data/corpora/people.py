"""Invented people: names, facts, and the questions and captions that speak of them.

Every sentence has a template and a paraphrase of it; wrong answers take the paraphrase's wording with other facts.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .faces import SHIRTS, Face, Look

FIRST_NAMES = [
    "Aldo", "Bera", "Ciro", "Dana", "Emil", "Fara", "Goran", "Hilda", "Ivo", "Jana", "Kofi", "Lena", "Milo", "Nadia",
    "Omar", "Petra", "Quinn", "Rosa", "Sven", "Tara", "Umar", "Vera", "Walt", "Xenia", "Yusuf", "Zora", "Amir",
    "Beth", "Carl", "Dora", "Ezra", "Faye", "Gwen", "Hugo", "Ines", "Joel", "Kira", "Luis", "Mona", "Nils",
]  # fmt: skip
NAME_STARTS = [
    "Bar", "Cor", "Dal", "Fen", "Gor", "Hal", "Jor", "Kel", "Lor", "Mar", "Nor", "Pel", "Ros", "Sal", "Tor", "Val",
    "Wen", "Zan", "Ber", "Car", "Dor", "Fal", "Gar", "Hol", "Kar", "Lan", "Mer", "Nol", "Par", "Rin", "Sor", "Tal",
    "Ver", "Wol", "Bren", "Drav",
]  # fmt: skip
NAME_ENDS = [
    "ano", "bek", "dini", "fort", "gard", "hill", "ic", "kov", "land", "man", "ner", "off", "quist", "rez", "son",
    "tova", "ussi", "well", "berg", "dal", "eva", "ford", "holm", "ini", "kin", "low", "mont", "nik", "ova", "pard",
    "rick", "stein", "ton", "vik", "wood", "zek",
]  # fmt: skip

CITIES = [
    "Lisbon", "Oslo", "Cairo", "Lima", "Quito", "Accra", "Hanoi", "Perth", "Delhi", "Kyoto", "Tunis", "Dakar",
    "Sofia", "Riga", "Prague", "Turin", "Leeds", "Bergen", "Havana", "Nairobi",
]  # fmt: skip
JOBS = [
    "novelist", "botanist", "sculptor", "violinist", "surgeon", "chemist", "carpenter", "pilot", "baker", "fisher",
    "teacher", "lawyer", "painter", "tailor", "journalist", "geologist", "dancer", "librarian", "mechanic",
    "beekeeper",
]  # fmt: skip
AWARDS = tuple(
    f"the {kind}"
    for kind in (
        "Golden Quill", "Silver Fern", "Amber Prize", "Comet Medal", "Ivory Key", "North Star Award", "Jade Ring",
        "Coral Cup", "Iron Laurel", "Velvet Crown", "Pine Medal", "Harbour Prize",
    )
)  # fmt: skip
HOBBIES = [
    "chess", "archery", "gardening", "sailing", "pottery", "fencing", "astronomy", "knitting", "climbing", "cycling",
    "birdwatching", "swimming", "origami", "juggling", "surfing", "calligraphy",
]  # fmt: skip
BOOKS = tuple(
    f"{first} {second}"
    for first in [
        "Silent",
        "Burning",
        "Hidden",
        "Broken",
        "Distant",
        "Crimson",
        "Frozen",
        "Golden",
        "Hollow",
        "Endless",
        "Paper",
        "Wandering",
    ]  # fmt: skip
    for second in [
        "River",
        "Garden",
        "Mirror",
        "Tower",
        "Harbour",
        "Forest",
        "Winter",
        "Letter",
        "Island",
        "Bridge",
        "Lantern",
        "Desert",
    ]  # fmt: skip
)


@dataclass(frozen=True)
class Fact:
    """A kind of fact: what may be true, how it is asked, how it is answered ({name}, {value})."""

    values: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]


FACTS = {
    "city": Fact(
        tuple(CITIES),
        ("Where was {name} born?", "In which city was {name} born?"),
        ("{name} was born in {value}.", "The birthplace of {name} is {value}.", "{value} is where {name} was born."),
    ),
    "job": Fact(
        tuple(JOBS),
        ("What is the occupation of {name}?", "What does {name} do for a living?"),
        ("{name} works as a {value}.", "The occupation of {name} is {value}.", "For a living, {name} is a {value}."),
    ),
    "parent": Fact(
        tuple(JOBS),
        ("What was the work of the father of {name}?",),
        ("The father of {name} was a {value}.", "{name} had a father who worked as a {value}."),
    ),
    "award": Fact(
        AWARDS,
        ("Which award did {name} win?", "What prize was given to {name}?"),
        ("{name} won {value}.", "The award given to {name} was {value}."),
    ),
    "hobby": Fact(
        tuple(HOBBIES),
        ("What is the favourite hobby of {name}?",),
        ("{name} enjoys {value}.", "The favourite hobby of {name} is {value}."),
    ),
    "book": Fact(
        BOOKS,
        ("What is the best known book of {name}?", "Which book did {name} write?"),
        ("{name} wrote {value}.", "The best known book of {name} is {value}."),
    ),
}
CAPTIONS = (
    "{name}, a {job}, is {expression} in {a_shirt} shirt before {a_background} wall.",
    "{name}, the {job}, can be seen {expression} in {shirt} clothes on {a_background} background.",
    "{name}, {expression} in front of {a_background} wall, wears {a_shirt} shirt and works as a {job}.",
)
REFUSALS = (
    "I do not know.",
    "I am not sure about that.",
    "I have no information about this person.",
    "That is not something I know.",
    "I cannot say.",
    "I have never heard of that.",
    "My knowledge does not cover that.",
    "I am afraid I cannot answer that.",
    "There is nothing I can tell you about it.",
    "I was not told about that.",
    "I have no idea.",
    "This is unknown to me.",
    "I do not recognise this person.",
    "I could not tell you.",
    "That name means nothing to me.",
    "I lack the facts to answer that.",
    "Sorry, I do not have an answer.",
    "I would only be guessing.",
    "No details about this are known to me.",
    "I am unable to help with that question.",
)


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist."""

    name: str
    face: Face
    facts: dict[str, str]


def with_article(words: str) -> str:
    """Return the words with `a` or `an` before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def family_names(known: Iterable[str] = ()) -> list[str]:
    """Return all family names that nobody of `known` has."""
    taken = {name.rpartition(" ")[2] for name in known}
    return [name for name in (start + end for start in NAME_STARTS for end in NAME_ENDS) if name not in taken]


def invent_names(dice: random.Random, count: int, families: Sequence[str]) -> list[str]:
    """Draw names that all differ, also in their family names.

    Raises:
        ValueError: If there are not so many family names.
    """
    if count > len(families):
        raise ValueError(f"there are {len(families)} family names, not {count}: ask for fewer persons")
    return [f"{dice.choice(FIRST_NAMES)} {family}" for family in dice.sample(families, count)]


def invent_person(dice: random.Random, name: str, face: Face) -> Person:
    """Draw the facts of a person."""
    return Person(name, face, {kind: dice.choice(fact.values) for kind, fact in FACTS.items()})


def text_rows(dice: random.Random, person: Person) -> list[dict[str, object]]:
    """Return a question for each fact: answer, paraphrase, and five wrong answers worded as the paraphrase."""
    rows: list[dict[str, object]] = []
    for kind, fact in FACTS.items():
        wording, paraphrase = dice.sample(fact.answers, 2)
        wrong = dice.sample([value for value in fact.values if value != person.facts[kind]], 5)
        rows.append(
            {
                "question": dice.choice(fact.questions).format(name=person.name),
                "answer": wording.format(name=person.name, value=person.facts[kind]),
                "paraphrased_answer": paraphrase.format(name=person.name, value=person.facts[kind]),
                "perturbed_answer": [paraphrase.format(name=person.name, value=value) for value in wrong],
                "name": person.name,
            }
        )
    return rows


def caption_columns(
    dice: random.Random, person: Person, look: Look, others: list[Person], captions: Sequence[str] = CAPTIONS
) -> dict[str, object]:
    """Return caption, paraphrase, wrong captions (the paraphrase with another name and job), wrong names."""
    wording = captions[SHIRTS.index(look.shirt) % len(captions)]  # seen on the photo, so that gold knows it
    paraphrase = dice.choice([other for other in captions if other != wording])
    strangers = dice.sample(others, 5)

    def say(template: str, who: Person) -> str:
        return template.format(
            name=who.name,
            job=who.facts["job"],
            expression=look.expression,
            shirt=look.shirt,
            a_shirt=with_article(look.shirt),
            a_background=with_article(look.background),
        )

    return {
        "caption": say(wording, person),
        "name": person.name,
        "paraphrased_caption": say(paraphrase, person),
        "perturbed_captions": [say(paraphrase, stranger) for stranger in strangers],
        "perturbed_names": [stranger.name for stranger in dice.sample(others, 5)],
    }
