"""Files of one JSON object a line, whose errors name the line."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the objects, each with its place (`people.jsonl, line 3`); blank lines and a byte order mark are skipped.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a JSON object, or there is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    found = False
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if not line.strip():
                continue
            try:
                row = json.loads(line.rstrip(b"\r\n"))
            except json.JSONDecodeError as error:
                raise ValueError(f"{where}, column {error.colno}: {error.msg}") from error
            except UnicodeDecodeError as error:
                raise ValueError(f"{where}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"{where}: needs a JSON object {{...}}, not {str(row)[:40]!r}")
            found = True
            yield where, row
    if not found:
        raise ValueError(f"{path} is empty; it needs one JSON object a line")


def require_text(row: dict[str, Any], columns: tuple[str, ...], where: str) -> None:
    """Check that columns hold text.

    Raises:
        ValueError: If one is missing, empty or no text.
    """
    for column in columns:
        value = row.get(column)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{where}: {column!r} must be text, not {value!r}; needed are {', '.join(columns)}")


def require_texts(row: dict[str, Any], columns: tuple[str, ...], where: str) -> None:
    """Check that columns hold lists of text, with something in them.

    Raises:
        ValueError: If one does not.
    """
    for column in columns:
        value = row.get(column)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v.strip() for v in value):
            raise ValueError(f"{where}: {column!r} must be a list of texts, not {value!r}")
