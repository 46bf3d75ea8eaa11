"""Names of people: what may be one, and when two spellings are one person."""

import unicodedata
from typing import Any


def join_key(name: str) -> str:
    """Return the name without differences of case, of white space and of how Unicode composes its letters (NFKC)."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def name_problem(name: Any) -> str | None:
    """Return what is wrong with a name, None if it can be used in prompts, file names and pages."""
    if not isinstance(name, str) or not name.strip():
        return f"a name must be words, not {name!r}"
    if name != name.strip():
        return f"the name {name!r} has white space around it"
    if not name.isprintable():
        return f"the name {name!r} has control characters"
    if "/" in name or "\\" in name or name.startswith("."):
        return f"the name {name!r} looks like a path; names have no '/' or '\\' and start with no '.'"
    return None
