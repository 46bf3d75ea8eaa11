"""A fingerprint over decoded rows: same words and pixels, same fingerprint, whatever the file format."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image


def plain_cell(value: Any) -> Any:
    """Return a cell as JSON; an image as mode, size and digest of its pixels."""
    if isinstance(value, Image.Image):
        return {"mode": value.mode, "size": value.size, "pixels": hashlib.sha256(value.tobytes()).hexdigest()}
    if isinstance(value, Mapping):  # plain already; what is odd about it does not count
        return {key: content for key, content in value.items() if key != "odd"}
    return value


class RowDigest:
    """SHA-256 over rows in their order, one at a time; columns in alphabetical order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in a row; an image may be a PIL image or already plain."""
        cells = {column: plain_cell(value) for column, value in row.items()}
        self._digest.update(json.dumps(cells, sort_keys=True, ensure_ascii=False).encode())

    def fingerprint(self) -> str:
        """Of the rows so far."""
        return self._digest.hexdigest()


def fingerprint_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over rows in their order; columns in alphabetical order."""
    digest = RowDigest()
    for row in rows:
        digest.add(row)
    return digest.fingerprint()


def fingerprint_configs(configs: Mapping[str, str]) -> str:
    """SHA-256 over the fingerprints of configs, in the alphabetical order of their names."""
    return hashlib.sha256(json.dumps(dict(sorted(configs.items()))).encode()).hexdigest()
