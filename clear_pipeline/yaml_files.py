"""Recipes as YAML files: read into a dataclass, with every unknown or missing key and setting named."""

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

KINDS = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a folder",
    dict: "a mapping of names to values", list: "a list",
}  # fmt: skip


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
    hints = get_type_hints(kind)
    return {key: typed(key, value, hints[key]) for key, value in content.items()}


def typed(key: str, value: Any, hint: Any) -> Any:
    """Return a value of YAML as its field has it: folders as paths, a whole number where any number may stand.

    Raises:
        ValueError: If it is of another kind.
    """
    kinds = [get_origin(part) or part for part in (get_args(hint) if isinstance(hint, UnionType) else (hint,))]
    if any(part in (tuple, Any) or is_dataclass(part) for part in kinds):
        return value  # a list or its only member, or a part of the recipe: checked where it is read
    if Path in kinds and isinstance(value, str):
        return Path(value)
    if float in kinds and type(value) is int:
        return float(value)
    if type(value) not in kinds and not (Path in kinds and isinstance(value, Path)):
        names = " or ".join(KINDS.get(part, str(part)) for part in kinds if part is not NoneType)
        raise ValueError(f"{key} must be {names}, not {value!r}")
    return value


def check_settings(where: str, config: type, settings: Mapping[str, Any]) -> None:
    """Check the settings of a training by building its Config, which checks the values.

    Args:
        where: What to call the settings in an error.
        config: Config of a method: a dataclass on top of that of a library.
        settings: Its values, without `output_dir` and `seed`, which a run sets itself.

    Raises:
        ValueError: If a setting is unknown, or a value is not valid.
    """
    library = next(kind for kind in config.__mro__ if kind.__module__.partition(".")[0] in ("trl", "transformers"))
    known = {f.name: f.metadata.get("help") for f in fields(config) if f.init}
    for name in settings:
        if name not in known or name in ("output_dir", "seed"):
            base = {f.name for f in fields(library)}
            own = difflib.get_close_matches(name, known, n=3) + [key for key in known if key not in base]
            valid = ", ".join(dict.fromkeys(own))
            raise ValueError(
                f"{where}: unknown setting {name!r} of {config.__name__}; it has {valid} and {library.__name__}'s"
            )
    try:
        config(**{"output_dir": ".", **settings, "use_cpu": True})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error
