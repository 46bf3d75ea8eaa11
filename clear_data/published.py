"""What is known of the published CLEAR (`therem/CLEAR`): whom its forget and holdout sets hold, and how many rows."""

from collections.abc import Iterable

from .names import join_key

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
