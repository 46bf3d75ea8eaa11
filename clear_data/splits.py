"""Forget and retain sets by person, and the configs that follow from them.

The published CLEAR (`therem/CLEAR`) comes first: whom its forget and holdout sets hold, and how many rows.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from .configs import FORGET, RETAIN_OF
from .names import join_key

Row = dict[str, Any]
PERCENT = (1.0, 5.0, 10.0)
SCORED_RETAIN = 300  # rows of retain_perturbed in TOFU

REPOSITORY = "therem/CLEAR"
_01 = ("Basil Mahfouz Al-Kuwaiti", "Nikolai Abilov")
_05 = (
    "Aysha Al-Hashim", "Edward Patrick Sullivan", "Hina Ameen", "Kalkidan Abera", "Moshe Ben-David", "Raven Marais",
    "Takashi Nakamura", "Xin Lee Williams",
)  # fmt: skip
_10 = (
    "Adib Jarrah", "Behrouz Rohani", "Carmen Montenegro", "Elvin Mammadov", "Hsiao Yun-Hwa",
    "Jad Ambrose Al-Shamary", "Ji-Yeon Park", "Rajeev Majumdar", "Tae-ho Park", "Wei-Jun Chen",
)  # fmt: skip
FORGET_PEOPLE: dict[str, tuple[str, ...]] = {"forget01": _01, "forget05": _01 + _05, "forget10": _01 + _05 + _10}

# The visual track: never fine-tuned on together with the forget set. In the published lists 01 is not inside 05.
_HOLDOUT_01 = ("Jambo Mpendulo", "Youssef Al-Zahran")
_HOLDOUT_05 = (
    "Philippe Dauphinee", "Simon Makoni", "Nadia Nowak", "Omowunmi Adebayo", "Rory Greenfield", "Raoul Huysmans",
    "Guillermo Navarro Munoz", "Luis Marcelo Garcia", "Zeynab Nazirova", "Sanna Kaarina Laaksonen",
)  # fmt: skip
_HOLDOUT_10 = (
    "Marit Hagen", "Valentin Fischer", "Xiang Li", "Adrianus Suharto", "Jaime Vasquez", "Rhoda Mbalazi",
    "Adetoun Davis", "Alex Melbourne",
)  # fmt: skip
HOLDOUT_PEOPLE: dict[str, tuple[str, ...]] = {
    "forget01": _HOLDOUT_01,
    "forget05": _HOLDOUT_05,
    "forget10": _HOLDOUT_05 + _HOLDOUT_01 + _HOLDOUT_10,
}

# Rows from ... to. Where the source rounds to 10 rows ("3.74k"), all that rounds to it or is cut off to it.
ROWS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("default", "full"), (3768, 3768)),
    "full+tofu": (7768, 7768),
    **{"forget01": (35, 35), "forget05": (188, 188), "forget10": (379, 379)},
    **{"forget01+tofu": (75, 75), "forget05+tofu": (388, 388), "forget10+tofu": (779, 779)},
    # One row of forget10 has no wrong captions.
    **{"forget01_perturbed": (35, 35), "forget05_perturbed": (188, 188), "forget10_perturbed": (378, 378)},
    **{"retain99": (3730, 3749), "retain95": (3580, 3589), "retain90": (3385, 3399)},
    **{"retain99+tofu": (7690, 7709), "retain95+tofu": (7375, 7389), "retain90+tofu": (6985, 6999)},
    **{"retain_perturbed": (395, 395), "real_faces": (151, 151), "real_world": (367, 367)},
}


def published_holdout_people(people: Iterable[str], forget: str) -> list[str] | None:
    """Return the published holdout set of a forget set as these people are spelled; None if some are missing."""
    spelling = {join_key(name): name for name in people}
    keys = [join_key(name) for name in HOLDOUT_PEOPLE[forget]]
    return [spelling[key] for key in keys] if set(keys) <= spelling.keys() else None


def published_forget_people(people: Iterable[str]) -> dict[str, set[str]] | None:
    """Return the published forget sets in the spelling of these people; None if not all of them are among these."""
    spelling = {join_key(name): name for name in people}
    if not {join_key(name) for name in FORGET_PEOPLE["forget10"]} <= spelling.keys():
        return None
    return {split: {spelling[join_key(name)] for name in names} for split, names in FORGET_PEOPLE.items()}


def forget_sets(
    people: Sequence[str], percent: Sequence[float] | None, seed: int, chosen: Mapping[str, str] | None = None
) -> tuple[dict[str, set[str]], str]:
    """Return whom forget01, forget05 and forget10 hold: each set lies within the next.

    Args:
        people: Everybody.
        percent: Shares of the people in the three sets, ascending; a set has at least one person. None: the published
            sets, if these are the published people, else 1, 5 and 10.
        seed: Draws the people.
        chosen: The smallest set of those who are to be forgotten, instead of shares. A small set without people of
            its own is like the next larger one.

    Returns:
        The sets, and how they came about.

    Raises:
        ValueError: If the shares are not three, do not ascend or leave nobody to retain, or people are chosen too.
    """
    if chosen:
        if percent is not None:
            raise ValueError("--forget_percent draws whom to forget, and people.jsonl says it (key 'forget'): use one")
        if len(chosen) == len(people):
            raise ValueError("people.jsonl leaves nobody to retain: take the key 'forget' from some people")
        nested = [{name for name, first in chosen.items() if FORGET.index(first) <= last} for last in range(3)]
        smallest = next(inside for inside in nested if inside)
        return {split: inside or smallest for split, inside in zip(FORGET, nested, strict=True)}, "by people.jsonl"
    published = published_forget_people(people)
    if percent is None and published is not None:
        return published, "the published lists"
    shares = PERCENT if percent is None else tuple(percent)
    if len(shares) != len(FORGET) or list(shares) != sorted(shares) or not all(0 < share < 100 for share in shares):
        raise ValueError(
            f"forget_percent must be three shares that ascend between 0 and 100, as 1,5,10, not {percent}"
        )
    order = list(people)
    random.Random(f"{seed}/forget").shuffle(order)
    sizes = [max(1, round(len(order) * share / 100)) for share in shares]
    if sizes[-1] >= len(order):
        raise ValueError(f"{shares[-1]:g} % of {len(order)} people leaves nobody to retain; forget fewer")
    return {split: set(order[:size]) for split, size in zip(FORGET, sizes, strict=True)}, f"drawn by seed {seed}"


def coinciding(sets: Mapping[str, set[str]]) -> list[str]:
    """Return a note for each two neighbouring forget sets that hold the same people."""
    return [
        f"{small} and {large} hold the same {len(sets[small])} people"
        for small, large in pairwise(sets)
        if sets[small] == sets[large]
    ]


def _of(rows: Sequence[Row], people: set[str], inside: bool) -> list[Row]:
    return [row for row in rows if (row["name"] in people) == inside]


def photo_configs(photos: Sequence[Row], texts: Sequence[Row], forgotten: dict[str, set[str]]) -> dict[str, list[Row]]:
    """Return the 18 configs of CLEAR made from photos and text rows: all but the real sets and retain_perturbed."""
    configs = {"default": list(photos), "full": list(photos), "full+tofu": [*photos, *texts]}
    for split, people in forgotten.items():
        for name, inside in ((split, True), (RETAIN_OF[split], False)):
            configs[name] = _of(photos, people, inside)
            configs[f"{name}+tofu"] = configs[name] + _of(texts, people, inside)
        configs[f"{split}_perturbed"] = [row for row in configs[split] if row.get("perturbed_captions")]
    return configs


def text_tracks(texts: Sequence[Row], forgotten: dict[str, set[str]]) -> dict[str, list[Row]]:
    """Return text rows with wrong answers of either side: the text configs of `clear_extra`."""
    scored = [row for row in texts if row.get("perturbed_answer")]
    tracks = {"retain_text": _of(scored, forgotten["forget10"], inside=False)}
    return tracks | {f"{split}_text": _of(scored, people, inside=True) for split, people in forgotten.items()}


def text_configs(texts: Sequence[Row], forgotten: dict[str, set[str]]) -> dict[str, list[Row]]:
    """Return TOFU's configs that follow from text rows; questions about real authors and the world do not."""
    configs = {"full": list(texts)}
    tracks = text_tracks(texts, forgotten)
    for split, people in forgotten.items():
        configs[split] = _of(texts, people, inside=True)
        configs[RETAIN_OF[split]] = _of(texts, people, inside=False)
        configs[f"{split}_perturbed"] = tracks[f"{split}_text"]
    return configs | {"retain_perturbed": tracks["retain_text"][:SCORED_RETAIN]}
