"""The people of each model: its own people to retain, and either the forget or the holdout people.

The first half of the models is trained on the forget people and has never seen the holdout people, the second half
the other way round (CLEAR, arXiv 2410.18057): what one half unlearns, the other has never seen. Of each half the first
half are the attacker's targets, the second its shadow models.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clear_data.splits import published_holdout_people

from .arguments import ENROLMENT

SPLITS = "splits.json"


@dataclass(frozen=True)
class Split:
    """The people of one model.

    Attributes:
        model: Its number.
        role: `target` or `shadow`.
        forget: People that its original is trained on and its methods unlearn.
        unseen: People that none of its stages sees: the holdout people of this model.
        retain: People to keep.
    """

    model: int
    role: str
    forget: tuple[str, ...]
    unseen: tuple[str, ...]
    retain: tuple[str, ...]


def holdout_people(people: Sequence[str], forget: Sequence[str], forget_set: str, seed: int) -> list[str]:
    """Return the holdout set: the published one for the published people, else drawn by seed, as many as forgotten.

    Raises:
        ValueError: If there are too few.
    """
    published = published_holdout_people(people, forget_set)
    if published is not None:
        return published
    others = [person for person in people if person not in set(forget)]
    if len(others) <= len(forget):
        raise ValueError(f"{len(forget)} people to forget leave {len(others)}: too few for holdout and retain")
    return random.Random(f"{seed}/holdout").sample(others, len(forget))


def draw_splits(
    people: Sequence[str],
    forget: Sequence[str],
    holdout: Sequence[str],
    models: int,
    retain_people: int | None,
    seed: int,
) -> list[Split]:
    """Draw the people of each model.

    Args:
        people: Everybody.
        forget: The forget set.
        holdout: The holdout set.
        models: Number of models; a multiple of 4.
        retain_people: People to retain of each model; half of those that are in neither set by default.
        seed: Draws them.

    Raises:
        ValueError: If a person is in both sets or unknown, or there are too few to retain.
    """
    both = sorted(set(forget) & set(holdout))
    if both:
        raise ValueError(f"{', '.join(both)}: in both the forget and the holdout set")
    unknown = sorted({*forget, *holdout} - set(people))
    if unknown:
        raise ValueError(f"no photos of {', '.join(unknown)}, who are to be forgotten or held out")
    others = [person for person in people if person not in {*forget, *holdout}]
    count = len(others) // 2 if retain_people is None else retain_people
    if not 0 < count <= len(others):
        raise ValueError(f"retain_people must be 1 to {len(others)}, those in neither set, not {count}")
    splits = []
    for model in range(models):
        retain = tuple(sorted(random.Random(f"{seed}/retain/{model}").sample(others, count)))
        sides = (tuple(forget), tuple(holdout))
        inside, unseen = sides if model < models // 2 else sides[::-1]
        role = "target" if model % (models // 2) < models // 4 else "shadow"
        splits.append(Split(model, role, inside, unseen, retain))
    return splits


def check_photos(people: Mapping[str, Sequence[int]]) -> None:
    """Check that each person has photos for enrolment and one more.

    Raises:
        ValueError: Naming who has too few.
    """
    few = {person: len(rows) for person, rows in people.items() if len(rows) <= ENROLMENT}
    if few:
        named = ", ".join(f"{person} ({count})" for person, count in list(few.items())[:5])
        raise ValueError(
            f"{len(few)} people have too few photos for enrolment ({ENROLMENT}, and one to be recognised): {named}"
        )


def as_json(splits: Sequence[Split]) -> list[dict[str, Any]]:
    """Return the splits as plain JSON values."""
    return [asdict(split) for split in splits]


def from_json(content: Sequence[Mapping[str, Any]]) -> list[Split]:
    """Return the splits of what `as_json` wrote."""
    return [
        Split(split["model"], split["role"], *(tuple(split[side]) for side in ("forget", "unseen", "retain")))
        for split in content
    ]


def load_splits(output: Path) -> list[Split]:
    """Return the splits of a run.

    Raises:
        FileNotFoundError: If there are none yet.
    """
    path = output / "photos" / SPLITS
    if not path.is_file():
        raise FileNotFoundError(f"{output} holds no run of the visual track ({path.name} is missing)")
    return from_json(json.loads(path.read_text()))
