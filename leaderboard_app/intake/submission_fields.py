"""What a submitter says in words and numbers: a table of fields, each cleaned, limited, and named where wrong."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .submission import FORGET_SETS, KINDS, LENGTHS, MODALITIES, REPORTED

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,99}", re.ASCII)
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,59}")
SEEDS = re.compile(r"\d{1,10}( ?, ?\d{1,10}){0,19}", re.ASCII)
MOST_HOURS = 1e6
# Names under which methods are known that leave the weights as they are and act when the model is asked.
AT_INFERENCE = re.compile(
    r"\b(eco|icul|guard\s*rails?|in[- ]?context unlearning|(prompt|input|output|inference)[- ]?(time )?"
    r"(classifier|filter\w*|corruption|rewrit\w*|guard)|logit (offset|difference)s?|ulm offset|rag unlearning)\b"
)
INFERENCE = "acts when the model is asked; in this version only changes of the weights can be compared"


@dataclass(frozen=True)
class Field:
    """A row of the table: how long a text may be, and what makes a value of it."""

    limit: int
    required: bool
    parse: Callable[[str], Any]


def clean_text(value: Any) -> str:
    """Return a text without control, bidirectional and other invisible characters, its white space made single.

    What stays is shown as text and never as markup: that is the page's part.
    """
    text = unicodedata.normalize("NFC", "" if value is None else str(value))
    kept = (" " if char.isspace() else char for char in text if char.isspace() or _is_visible(char))
    return " ".join("".join(kept).split())


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _any(text: str) -> str:
    return text


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"choose from {', '.join(names)}")
        return text

    return parse


def _like(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text) or ".." in text:
            raise ValueError(f"must be {what}")
        return text

    return parse


def _link(text: str) -> str:
    address = urlsplit(text)
    if address.scheme not in ("http", "https") or not address.hostname or " " in text:
        raise ValueError("must be an address that begins with https://")
    return text


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        raise ValueError("must be a number, for example 1.5") from None
    if not math.isfinite(hours) or not 0 <= hours <= MOST_HOURS:
        raise ValueError(f"must be hours from 0 to {MOST_HOURS:g}")
    return hours


def _method(text: str) -> str:
    if AT_INFERENCE.search(text.casefold().replace("_", " ")):
        raise ValueError(INFERENCE)
    return text


FIELDS: dict[str, Field] = {
    "repo_id": Field(LENGTHS["repo_id"], True, _like(REPO_ID, "NAMESPACE/NAME of a model on the Hub")),
    "revision": Field(100, True, _like(REVISION, "a commit, tag or branch")),
    "kind": Field(20, True, _one_of(*KINDS)),
    "base_model": Field(LENGTHS["base_model"], True, _any),
    "method": Field(LENGTHS["method"], True, _method),
    "paper": Field(LENGTHS["paper"], False, _link),
    "forget": Field(20, True, _one_of(*FORGET_SETS)),
    "modality": Field(20, True, _one_of(*MODALITIES)),
    "data_used": Field(LENGTHS["data_used"], True, _any),
    "seeds": Field(LENGTHS["seeds"], True, _like(SEEDS, "up to 20 whole numbers with commas")),
    "gpu_hours": Field(20, True, _hours),
    "licence": Field(LENGTHS["licence"], True, _like(LICENCE, "a licence's name on the Hub, for example apache-2.0")),
    "contact": Field(LENGTHS["contact"], True, _any),
}


def clean_fields(said: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Clean what was said, and name what is wrong.

    Args:
        said: Values by the names of FIELDS, `statement`, `acts_at_inference` and `self_reported`; others are refused.

    Returns:
        The clean values, and the problems, each beginning with the field's name.
    """
    clean: dict[str, Any] = {}
    problems: list[str] = []
    known = {*FIELDS, "statement", "acts_at_inference", "self_reported"}
    problems += [f"{clean_text(name)[:60]}: unknown field" for name in said if name not in known]
    for name, field in FIELDS.items():
        try:
            clean[name] = _value(said.get(name), field)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if said.get("statement") is not True:
        problems.append("statement: must be agreed to: no evaluation item was trained on")
    if said.get("acts_at_inference", False) is not False:
        problems.append(f"method: {INFERENCE}")
    try:
        clean["self_reported"] = _numbers(said.get("self_reported"))
    except ValueError as error:
        problems.append(f"self_reported: {error}")
    return clean, problems


def _value(value: Any, field: Field) -> Any:
    if not isinstance(value, str | int | float | None) or isinstance(value, bool):
        raise ValueError("must be a text")
    if isinstance(value, str) and len(value) > 4 * field.limit:  # before anything is done with it
        raise ValueError(f"has {len(value)} characters, at most {field.limit}")
    text = clean_text(value)
    if len(text) > field.limit:
        raise ValueError(f"has {len(text)} characters, at most {field.limit}")
    if not text:
        if field.required:
            raise ValueError("is missing")
        return ""
    try:
        return field.parse(text)
    except ValueError as error:
        raise ValueError(f"{str(error)[:200]}; seen {text[:60]!r}") from None


def _numbers(value: Any) -> dict[str, float] | None:
    """Numbers that the submitter found himself."""
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"must be numbers by name: {', '.join(REPORTED)}")
    if unknown := [name for name in value if name not in REPORTED]:
        raise ValueError(f"unknown number {clean_text(unknown[0])[:60]!r}; choose from {', '.join(REPORTED)}")
    for name, number in value.items():
        if type(number) not in (int, float) or not math.isfinite(number) or abs(number) > 1e6:
            raise ValueError(f"{name} must be a finite number")
    return {name: float(number) for name, number in value.items()}
