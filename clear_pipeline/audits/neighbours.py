"""Neighbours: the people who stay and are most like those to be forgotten: what they lose, and what leaks beside them.

Likeness is the share of words that the facts of two people have in common (Jaccard, of the words that tell each fact):
town, profession, prize. It is the same for every model. The nearest two of each person are asked about alone, the
furthest two for control, and the nearest together with the person, two questions in one prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clear_dataset import load_clear
from clear_pipeline.arguments import DataArguments
from clear_pipeline.forget_request import questions_about
from clear_unlearning.models import LoadedModel

from .context import Context, NotPossible
from .measured import Measured
from .people import Asked, by_person, rows_on
from .roles import is_gold

CLOSE = 2  # neighbours of each person, and as many of the furthest
NEAR, FAR = "neighbours", "furthest"
Pair = tuple[Asked, Asked]
FIRST, LAST = "neighbour first", "person first"


def likeness(one: set[str], other: set[str]) -> float:
    """Return the share of words that two people have in common."""
    return len(one & other) / len(one | other) if one | other else 0.0


def ranked(person: set[str], others: Mapping[str, set[str]]) -> list[str]:
    """Return the others from the most like to the least, people who are equally like in their order."""
    return sorted(others, key=lambda other: -likeness(person, others[other]))


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Ask about neighbours alone, and about people beside them.

    Raises:
        NotPossible: If there are no facts about people who stay.
    """
    asked, most = context.subjects.of("fact"), context.settings.questions_each
    staying = facts_of_others(context.data, context.settings.seed) if context.subjects.retain is not None else []
    words = {person: words_of(asked, person) for person in dict.fromkeys(one.person for one in asked)}
    others = {person: words_of(staying, person) for person in dict.fromkeys(one.person for one in staying)}
    if not asked or len(others) < 2 * CLOSE:
        raise NotPossible(f"it needs facts about people to be forgotten, and about {2 * CLOSE} who stay")
    asker = context.asker(loaded)
    orders = {person: ranked(own, others) for person, own in words.items()}
    scores: dict[str, Mapping[str, Sequence[float]]] = {}
    for name, chosen in ((NEAR, slice(None, CLOSE)), (FAR, slice(-CLOSE, None))):
        pairs = [
            (person, one)
            for person, order in orders.items()
            for other in order[chosen]
            for one in [each for each in staying if each.person == other][:most]
        ]
        told = context.tells(asker, [one for _, one in pairs])
        found: dict[str, list[float]] = {}
        for (person, _), value in zip(pairs, told, strict=True):
            found.setdefault(person, []).append(float(value))
        scores[name] = found
    beside = beside_a_neighbour(asked, staying, {person: order[0] for person, order in orders.items()})
    for name, order in ((FIRST, "{other} {own}"), (LAST, "{own} {other}")):
        joined = [together(one, other, order) for one, other in beside]
        scores[name] = by_person(joined, context.tells(asker, joined))
    near = {person: order[:CLOSE] for person, order in orders.items()}
    return Measured(scores, [FIRST, LAST], {"neighbours": near})


def facts_of_others(data: DataArguments, seed: int) -> list[Asked]:
    """Return the facts about people who stay that have wrong answers; none if the dataset has no such rows."""
    source = f"{data.dataset}_extra" if Path(f"{data.dataset}_extra", "retain_text").is_dir() else data.dataset
    config = "retain_text" if source != data.dataset else "retain_perturbed"
    rows = questions_about(data, lambda one: load_clear(one, source))(config)
    if not {"name", "question"} <= set(rows.column_names):
        return []
    return [one for _, each in rows_on(rows, seed) for one in each]


def words_of(asked: Sequence[Asked], person: str) -> set[str]:
    """Return the words that tell the facts about a person."""
    return {word for one in asked if one.person == person for word in one.secret}


def beside_a_neighbour(asked: Sequence[Asked], staying: Sequence[Asked], nearest: Mapping[str, str]) -> list[Pair]:
    """Return each question with one about its person's neighbour, in turn, that does not tell the same secret.

    Args:
        asked: Questions about people to be forgotten.
        staying: Questions about those who stay.
        nearest: Neighbour of each person.
    """
    found, seen = [], dict.fromkeys(nearest, 0)
    for one in asked:
        others = [
            other for other in staying
            if other.person == nearest[one.person] and not one.told(f"{other.example.question} {other.example.answer}")
        ]  # fmt: skip
        if others:
            found.append((one, others[seen[one.person] % len(others)]))
            seen[one.person] += 1
    return found


def together(one: Asked, other: Asked, order: str) -> Asked:
    """Return two questions in one prompt; the secret is that of the first."""
    question = order.format(own=one.example.question, other=other.example.question)
    return replace(one, example=replace(one.example, question=question))


def summary(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return what each model tells of neighbours and of the furthest, and how much less than the golds do."""

    def mean(one: Measured, condition: str) -> float:
        return float(np.mean(list(one.by_person(condition).values())))

    found: dict[str, dict[str, Any]] = {}
    for role, one in measured.items():
        golds = [gold for name, gold in measured.items() if is_gold(name) and name != role]
        found[role] = {}
        for condition in (NEAR, FAR):
            own = mean(one, condition)
            usual = [mean(gold, condition) for gold in golds]
            found[role][condition] = {"told": own, "less_than_gold": float(np.mean(usual)) - own if golds else None}
    return found
