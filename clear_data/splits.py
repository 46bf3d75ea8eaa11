"""Forget and retain sets by person, and the configs that follow from them."""

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from .configs import FORGET, RETAIN_OF
from .published import published_forget_people

Row = dict[str, Any]
PERCENT = (1.0, 5.0, 10.0)
SCORED_RETAIN = 300  # rows of retain_perturbed in TOFU


def forget_sets(
    people: Sequence[str], percent: Sequence[float] | None, seed: int, chosen: Mapping[str, str] | None = None
) -> tuple[dict[str, set[str]], str]:
    """Whom forget01, forget05 and forget10 hold: each set lies within the next.

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
    """Text rows with wrong answers, of those to forget and of those to keep: the text configs of `clear_extra`."""
    scored = [row for row in texts if row.get("perturbed_answer")]
    tracks = {"retain_text": _of(scored, forgotten["forget10"], inside=False)}
    return tracks | {f"{split}_text": _of(scored, people, inside=True) for split, people in forgotten.items()}


def text_configs(texts: Sequence[Row], forgotten: dict[str, set[str]]) -> dict[str, list[Row]]:
    """TOFU's configs that follow from text rows; questions about real authors and the world do not."""
    configs = {"full": list(texts)}
    tracks = text_tracks(texts, forgotten)
    for split, people in forgotten.items():
        configs[split] = _of(texts, people, inside=True)
        configs[RETAIN_OF[split]] = _of(texts, people, inside=False)
        configs[f"{split}_perturbed"] = tracks[f"{split}_text"]
    return configs | {"retain_perturbed": tracks["retain_text"][:SCORED_RETAIN]}
