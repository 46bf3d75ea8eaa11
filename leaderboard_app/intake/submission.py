"""What a submitter says of a model: the fields of a submission, and what each may hold."""

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from evaluate_metrics.columns import BOARD, BOARD_MORE, shown_columns

KINDS = ("full", "adapter")
FORGET_SETS = ("forget01", "forget05", "forget10")
MODALITIES = ("image", "text", "both")

# What may be reported by the submitter: the keys of `clear-unlearning score --json`.
REPORTED = tuple(c.key for c in (*shown_columns(BOARD), *shown_columns(BOARD_MORE)) if not c.keeper)
# Field -> the most characters that it may have.
LENGTHS = {
    "user": 100,
    "repo_id": 200,
    "commit": 40,
    "base_model": 200,
    "method": 60,
    "paper": 300,
    "data_used": 500,
    "seeds": 100,
    "licence": 60,
    "contact": 200,
    "weights_hash": 128,
}
NEEDED = ("user", "repo_id", "commit", "base_model", "method", "licence")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Submission:
    """A model on the Hub, and what its submitter says of it. All of it is shown on the page.

    Attributes:
        user: Who is signed in.
        repo_id: Repository of the model.
        commit: All 40 digits: a branch or a tag could move.
        kind: One of KINDS.
        base_model: What original and gold were made from.
        method: Name of the method.
        paper: Where it is described.
        forget: One of FORGET_SETS.
        modality: Of the forget data that the method used, one of MODALITIES.
        data_used: Which rows, in words.
        seeds: Of the training, in words.
        gpu_hours: Of the training.
        licence: Of the weights.
        contact: Where questions reach the submitter.
        statement: Whether it is stated that evaluation items were not trained on.
        self_reported: Numbers of the submitter by a key of REPORTED, or None.
        weights_hash: Digest of the weights, empty if it is not known.
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
        """Check each field by itself.

        Raises:
            ValueError: If one of them does not hold what it may hold.
        """
        for name, longest in LENGTHS.items():
            _check_text(name, getattr(self, name), longest)
        for name, valid in (("kind", KINDS), ("forget", FORGET_SETS), ("modality", MODALITIES)):
            if getattr(self, name) not in valid:
                raise ValueError(f"{name} is {str(getattr(self, name))[:40]!r}; choose from {', '.join(valid)}")
        if not _REPO.fullmatch(self.repo_id) or ".." in self.repo_id:
            raise ValueError(f"{self.repo_id!r} is not a Hub id; give NAMESPACE/NAME")
        if not _COMMIT.fullmatch(self.commit):
            raise ValueError(f"commit is {self.commit!r}; give all 40 digits of it, as a branch or tag could move")
        if self.statement is not True:
            raise ValueError("the statement is missing that evaluation items were not trained on")
        _check_number("gpu_hours", self.gpu_hours, lowest=0.0)
        for name, value in (self.self_reported or {}).items():
            if name not in REPORTED:
                raise ValueError(f"self_reported has {str(name)[:40]!r}; known are {', '.join(REPORTED)}")
            _check_number(f"self_reported {name}", value)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def _check_text(name: str, value: Any, longest: int) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {type(value).__name__}")
    if len(value) > longest:
        raise ValueError(f"{name} has {len(value)} characters; at most {longest} are allowed")
    if name in NEEDED and not value.strip():
        raise ValueError(f"{name} is empty")
    # No control characters, no halves of a pair, nothing that turns the direction of the text around it.
    if any(ord(sign) < 32 or 0xD800 <= ord(sign) < 0xE000 or sign in _TURNS for sign in value):
        raise ValueError(f"{name} holds control characters")


_TURNS = frozenset(map(chr, [0x7F, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]))


def _check_number(name: str, value: Any, lowest: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, not {type(value).__name__}")
    if not math.isfinite(value) or value < lowest:
        raise ValueError(
            f"{name} is {value}; it must be finite" + (f" and at least {lowest:g}" if lowest == 0 else "")
        )
