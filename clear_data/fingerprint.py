"""A fingerprint over decoded rows: same words and pixels, same fingerprint, whatever the file format."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image


def _plain(value: Any) -> Any:
    """A cell as JSON; an image as mode, size and digest of its pixels."""
    if isinstance(value, Image.Image):
        return {"mode": value.mode, "size": value.size, "pixels": hashlib.sha256(value.tobytes()).hexdigest()}
    return value


def fingerprint_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over rows in their order; columns in alphabetical order."""
    digest = hashlib.sha256()
    for row in rows:
        cells = {column: _plain(value) for column, value in row.items()}
        digest.update(json.dumps(cells, sort_keys=True, ensure_ascii=False).encode())
    return digest.hexdigest()


def fingerprint_configs(configs: Mapping[str, str]) -> str:
    """SHA-256 over the fingerprints of configs, in the alphabetical order of their names."""
    return hashlib.sha256(json.dumps(dict(sorted(configs.items()))).encode()).hexdigest()
