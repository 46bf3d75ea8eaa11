"""What a leaderboard is about, as its keeper writes it in `bases.json`: base models, their originals and golds."""

import json
import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

FULL_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Base:
    """A base model whose unlearned descendants are compared with one another.

    Attributes:
        base_model: Name of the rows on the page, for example `llava-hf/llava-1.5-7b-hf`.
        original: Repository on the Hub of the model fine-tuned on everybody, from which methods start.
        commit: Its commit.
        dataset: Folder or Hub id of the rows.
        forget: Forget sets that may be submitted.
        track: Track of the tasks.
        golds: Of each forget set the gold models of several seeds: folders or `NAMESPACE/NAME@COMMIT`. The first is
            the one that submissions are compared with. Only the worker needs them.
        hidden: Folder or private dataset of the hidden items; only the worker needs it.
        dtype: Precision in which models are scored.
        batch_size: Examples at a time.
        max_examples: Score only the first rows of each task; all by default.
    """

    base_model: str
    original: str
    commit: str
    dataset: str
    forget: tuple[str, ...]
    track: str = "image"
    golds: dict[str, list[str]] = field(default_factory=dict)
    hidden: str | None = None
    dtype: str = "float32"
    batch_size: int = 32
    max_examples: int | None = None

    def __post_init__(self) -> None:
        """Check what would be noticed late."""
        if not FULL_COMMIT.fullmatch(self.commit):
            raise ValueError(f"{self.base_model}: commit must be a full id of 40 hex digits, not {self.commit!r}")


Bases = dict[str, Base]


def read_bases(path: Path) -> Bases:
    """Read `bases.json`: a JSON object with `bases`, a list of the fields of `Base`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; a keeper writes it, see docs/leaderboard-keeper.md")
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict) or not isinstance(content.get("bases"), list):
            raise ValueError("it must be an object with the key bases, a list; see docs/leaderboard-keeper.md")
        bases = [_base(entry) for entry in content["bases"]]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not valid: {error}") from error
    if not bases:
        raise ValueError(f"{path} names no base model")
    return {base.base_model: base for base in bases}


def _base(entry: dict[str, Any]) -> Base:
    known = {f.name for f in fields(Base)}
    needed = [f.name for f in fields(Base) if f.default is MISSING and f.default_factory is MISSING]
    missing = [name for name in needed if name not in entry] if isinstance(entry, dict) else needed
    if missing:
        raise ValueError(f"an entry of bases lacks {', '.join(missing)}")
    if unknown := sorted(entry.keys() - known):
        raise ValueError(f"unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return Base(**{**entry, "forget": tuple(entry["forget"])})
