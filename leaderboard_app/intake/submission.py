"""A submission: one table of its fields, with one validation for the form, the API, the command line and the store."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from evaluate_metrics.columns import BOARD, BOARD_MORE, shown_columns

KINDS = ("full", "adapter")
FORGET_SETS = ("forget01", "forget05", "forget10")
MODALITIES = ("image", "text", "both")
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,99}", re.ASCII)
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,59}")
SEEDS = re.compile(r"\d{1,10}( ?, ?\d{1,10}){0,19}", re.ASCII)
MOST_HOURS = 1e6
LARGEST = 1e6  # of a number that a submitter reports
SHARES = frozenset({"forget_quality_statistic", "forget_quality", "model_utility", "real", "retain", "forget",
                    "rouge_forget", "rouge_retain"})  # fmt: skip
COUNTS = frozenset({"still_known", "fluency"})  # not below 0
RESERVED = frozenset({"original", "gold", "base", "reference"})  # rows of the keeper's own
# Names of methods that leave the weights as they are and act when the model is asked.
AT_INFERENCE = re.compile(
    r"\b(eco|icul|guard\s*rails?|in[- ]?context unlearning|(prompt|input|output|inference)[- ]?(time )?"
    r"(classifier|filter\w*|corruption|rewrit\w*|guard)|logit (offset|difference)s?|ulm offset|rag unlearning)\b"
)
INFERENCE = "acts when the model is asked; in this version only changes of the weights can be compared"
# What may be reported by the submitter: the keys of `clear-unlearning score --json`.
REPORTED = tuple(c.key for c in (*shown_columns(BOARD), *shown_columns(BOARD_MORE)) if not c.keeper)


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
    if re.sub(r"[\W_\d]", "", text.casefold()) in RESERVED:
        raise ValueError(f"must not be one of {', '.join(sorted(RESERVED))}: those are the keeper's own rows")
    if AT_INFERENCE.search(text.casefold().replace("_", " ")):
        raise ValueError(INFERENCE)
    return text


@dataclass(frozen=True)
class Field:
    """A field of a submission.

    Attributes:
        label: Its name on the page.
        limit: The most characters of its text.
        parse: Turns its text into a value; raises ValueError for a text that is not valid.
        asked: Whether the submitter gives it; the other fields follow from token and repository.
        required: Whether the submitter must give it.
        strict: Whether the store parses it too, or only checks its length and characters.
        kept: Whether the store must have it.
        example: Shown in an empty box of the form.
    """

    label: str
    limit: int
    parse: Callable[[str], Any] = _any
    asked: bool = True
    required: bool = True
    strict: bool = False
    kept: bool = False
    example: str = ""


FIELDS: dict[str, Field] = {
    "user": Field("Submitter", 100, asked=False, kept=True),
    "repo_id": Field("Repository", 200, _like(REPO_ID, "NAMESPACE/NAME of a model on the Hub"), strict=True, kept=True,
                     example="USER/MODEL"),
    "revision": Field("Commit", 100, _like(REVISION, "a commit, tag or branch"), example="all 40 digits"),
    "commit": Field("Commit", 40, _like(COMMIT, "all 40 digits of a commit: a branch or tag could move"), asked=False,
                    strict=True, kept=True),
    "kind": Field("Weights", 20, _one_of(*KINDS), strict=True, kept=True),
    "base_model": Field("Base model", 200, kept=True),
    "method": Field("Method", 60, _method, kept=True, example="npo"),
    "paper": Field("Paper", 300, _link, required=False, example="https://arxiv.org/abs/…"),
    "forget": Field("Forget set", 20, _one_of(*FORGET_SETS), strict=True, kept=True),
    "modality": Field("Modality", 20, _one_of(*MODALITIES), strict=True, kept=True),
    "data_used": Field("Data used", 500, example="forget10 and retain90, captions and questions"),
    "seeds": Field("Seeds", 100, _like(SEEDS, "up to 20 whole numbers with commas"), example="0, 1, 2"),
    "gpu_hours": Field("GPU hours", 20, _hours, strict=True),
    "licence": Field("Licence", 60, _like(LICENCE, "a licence's name on the Hub, for example apache-2.0"), kept=True,
                     example="apache-2.0"),
    "contact": Field("Contact (public)", 200, example="a page, a user name, an address"),
    "weights_hash": Field("Weights digest", 128, asked=False),
}  # fmt: skip
STATED = ("statement", "acts_at_inference", "self_reported")  # said too, but not texts
SAID = (*(name for name, field in FIELDS.items() if field.asked), *STATED)


@dataclass(frozen=True)
class Submission:
    """A model on the Hub, and what its submitter says about it. All of it is shown on the page.

    The fields are those of FIELDS that are not `revision`, and

    Attributes:
        statement: Whether the submitter states that evaluation items were not trained on.
        self_reported: Numbers of the submitter by a key of REPORTED, or None.
    """

    user: str
    repo_id: str
    commit: str
    kind: str
    base_model: str
    method: str
    forget: str
    modality: str
    licence: str
    statement: bool
    paper: str = ""
    data_used: str = ""
    seeds: str = ""
    gpu_hours: float = 0.0
    contact: str = ""
    self_reported: dict[str, float] | None = None
    weights_hash: str = ""

    def __post_init__(self) -> None:
        """Check each field.

        Raises:
            ValueError: If a value is not valid; the message names the field.
        """
        for name, field in FIELDS.items():
            if name == "revision":
                continue
            value = getattr(self, name)
            try:
                _check_kept(field, value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if self.statement is not True:
            raise ValueError("statement: must be agreed to: no evaluation item was trained on")
        reported_numbers(self.self_reported)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def clean_text(value: Any) -> str:
    """Return a text without control, bidirectional and other invisible characters, with single spaces.

    The page shows it as text, never as markup.
    """
    text = unicodedata.normalize("NFC", "" if value is None else str(value))
    kept = (" " if char.isspace() else char for char in text if char.isspace() or _is_visible(char))
    return " ".join("".join(kept).split())


def clean_fields(said: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Clean what a submitter said, and name what is wrong.

    Args:
        said: Values by the names of SAID; others are refused.

    Returns:
        The clean values, and the problems, each beginning with the field's name.
    """
    clean: dict[str, Any] = {}
    problems = [f"{clean_text(name)[:60]}: unknown field" for name in said if name not in SAID]
    for name, field in FIELDS.items():
        if field.asked:
            try:
                clean[name] = _parsed(field, said.get(name))
            except ValueError as error:
                problems.append(f"{name}: {error}")
    if said.get("statement") is not True:
        problems.append("statement: must be agreed to: no evaluation item was trained on")
    if said.get("acts_at_inference", False) is not False:
        problems.append(f"method: {INFERENCE}")
    try:
        clean["self_reported"] = reported_numbers(said.get("self_reported"))
    except ValueError as error:
        problems.append(str(error))
    return clean, problems


def reported_numbers(value: Any) -> dict[str, float] | None:
    """Check the numbers that a submitter reports.

    Raises:
        ValueError: If one is unknown or not finite.
    """
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"self_reported: must be numbers by name: {', '.join(REPORTED)}")
    if unknown := [name for name in value if name not in REPORTED]:
        name = clean_text(unknown[0])[:60]
        raise ValueError(f"self_reported: unknown number {name!r}; choose from {', '.join(REPORTED)}")
    for name, number in value.items():
        if type(number) not in (int, float) or not math.isfinite(number) or abs(number) > LARGEST:
            raise ValueError(f"self_reported: {name} must be a finite number of at most {LARGEST:g}")
        if name in SHARES and not 0 <= number <= 1 or name in COUNTS and number < 0:
            raise ValueError(
                f"self_reported: {name} is {number:g}; it is {'0 to 1' if name in SHARES else 'never below 0'}"
            )
    return {name: float(number) for name, number in value.items()}


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _check_length(field: Field, text: str) -> None:
    if len(text) > field.limit:
        raise ValueError(f"has {len(text)} characters; at most {field.limit} are allowed")


def _parsed(field: Field, value: Any) -> Any:
    """Return the value of a field that a submitter gave."""
    if not isinstance(value, str | int | float | None) or isinstance(value, bool):
        raise ValueError("must be a text")
    if isinstance(value, str) and len(value) > 4 * field.limit:  # before anything is done with it
        _check_length(field, value)
    text = clean_text(value)
    _check_length(field, text)
    if not text:
        if field.required:
            raise ValueError("is missing")
        return ""
    try:
        return field.parse(text)
    except ValueError as error:
        raise ValueError(f"{str(error)[:200]}; seen {text[:60]!r}") from None


def _check_kept(field: Field, value: Any) -> None:
    """Check the value of a field that the store is to keep."""
    if field.parse is _hours:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number, not {type(value).__name__}")
        _hours(str(value))
        return
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {type(value).__name__}")
    _check_length(field, value)
    if field.kept and not value.strip():
        raise ValueError("is missing")
    if any(not _is_visible(char) for char in value):
        raise ValueError("has control or invisible characters")
    if field.strict:
        try:
            field.parse(value)
        except ValueError as error:
            raise ValueError(f"{error}; seen {value[:60]!r}") from None
