"""Recipes as YAML files: read into a dataclass, with every unknown or missing key named."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file, in which `1e-5` is a number.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no recipe at {path}")
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def known_fields(kind: type, content: Any, what: str, aside: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check that a mapping has only fields of a dataclass, and all that have no default.

    Args:
        kind: The dataclass.
        content: The mapping.
        what: What to call a key in an error.
        aside: Fields that the file may not set.

    Raises:
        ValueError: If a key is unknown or missing.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"expected a mapping of {what}s to values, not {content!r}")
    there = {f.name: f for f in fields(kind) if f.name not in aside}
    unknown = [str(key) for key in content if key not in there]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; valid: {', '.join(there)}")
    needed = [f.name for f in there.values() if f.default is MISSING and f.default_factory is MISSING]
    missing = [key for key in needed if key not in content]
    if missing:
        raise ValueError(f"{what} {missing[0]!r} is missing")
    return dict(content)
