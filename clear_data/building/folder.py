"""A dataset as a folder of Parquet that `load_dataset("clear", config)` reads, here and on the Hub.

A fingerprint is over decoded rows: same words and pixels, same fingerprint, whatever the file format.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets import Features

from .pictures import Pictures, plain_cell

META = "dataset_meta.json"
GROUP = 100  # rows held in memory at a time; 100 photos of 512 pixels are some 15 MB


def write_configs(
    folder: Path,
    configs: Mapping[str, tuple[Features, Iterable[Mapping[str, Any]]]],
    card: Callable[[Mapping[str, Any]], str],
    header: Mapping[str, Any],
    meta: Mapping[str, Any],
    pictures: Pictures,
    written: Callable[[str], None],
) -> None:
    """Write each config as Parquet with embedded images, the card, and what the data are.

    Args:
        folder: New or empty.
        configs: Features and rows by name; columns that the features lack are left out. The first is the default.
        card: Text of README.md below its header, given rows and fingerprint of each config.
        header: YAML header of the card, without `configs`.
        meta: What goes into `dataset_meta.json` beside fingerprints and row counts.
        pictures: What is known of them already.
        written: Told the name of each config once it is written.

    Raises:
        ValueError: If a picture does not decode; config and row are named.
    """
    about = {}
    for name, (features, rows) in configs.items():
        (folder / name).mkdir(parents=True)
        part = folder / name / "part"
        about[name] = _write_rows(part, name, features, rows, pictures)
        part.rename(folder / _file(name, about[name]["fingerprint"]))
        written(name)
    entries = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": _file(name, about[name]["fingerprint"])}],
            **({"default": True} if number == 0 else {}),
        }
        for number, name in enumerate(configs)
    ]
    front = yaml.safe_dump({**header, "configs": entries}, sort_keys=False, allow_unicode=True)
    (folder / "README.md").write_text(f"---\n{front}---\n\n{card(about)}")
    fingerprint = fingerprint_configs({name: entry["fingerprint"] for name, entry in about.items()})
    content = {"schema": 1, **meta, "configs": about, "fingerprint": fingerprint}
    (folder / META).write_text(json.dumps(content, indent=2) + "\n")


def _write_rows(
    path: Path, config: str, features: Features, rows: Iterable[Mapping[str, Any]], pictures: Pictures
) -> dict[str, Any]:
    """Write the rows group by group, and tell their number and fingerprint."""
    digest, count, remaining = RowDigest(), 0, iter(rows)
    # Cut by content, as `datasets` does it, so that the Hub stores a photo of several configs once.
    with pq.ParquetWriter(path, features.arrow_schema, use_content_defined_chunking=True) as writer:
        while group := list(islice(remaining, GROUP)):
            cells = []
            for row in group:
                cell = {column: row.get(column) for column in features}
                plain = dict(cell)
                if cell.get("image") is not None:
                    try:
                        file, plain["image"] = pictures.file(cell["image"])
                    except ValueError as error:
                        raise ValueError(f"{config}, row {count}, image: {error}") from error
                    cell["image"] = {"bytes": file, "path": None}
                digest.add(plain)
                cells.append(cell)
                count += 1
            writer.write_table(pa.Table.from_pylist(cells, schema=features.arrow_schema))
    return {"rows": count, "fingerprint": digest.fingerprint()}


def _file(config: str, fingerprint: str) -> str:
    """Return where a config's rows lie.

    The name changes with the rows: the cache of `datasets` knows a local folder only by the paths in its card, and
    would go on giving the rows of a folder that has been built again with others.
    """
    return f"{config}/train-00000-of-00001-{fingerprint[:12]}.parquet"


def read_meta(folder: Path) -> dict[str, Any] | None:
    """Return what `dataset_meta.json` of a built folder says, None if there is none.

    Raises:
        ValueError: If it is not such JSON.
    """
    path = folder / META
    if not path.is_file():
        return None
    try:
        meta = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    configs = meta.get("configs") if isinstance(meta, dict) else None
    if not isinstance(configs, dict) or not all(isinstance(entry, dict) for entry in configs.values()):
        raise ValueError(f"{path} must hold a JSON object with 'configs', and an object for each of them")
    return meta


class RowDigest:
    """SHA-256 over rows in their order, one at a time; columns in alphabetical order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in a row; an image may be a PIL image or already plain."""
        cells = {column: plain_cell(value) for column, value in row.items()}
        self._digest.update(json.dumps(cells, sort_keys=True, ensure_ascii=False).encode())

    def fingerprint(self) -> str:
        """Return the fingerprint of the rows so far."""
        return self._digest.hexdigest()


def fingerprint_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return SHA-256 over rows in their order; columns in alphabetical order."""
    digest = RowDigest()
    for row in rows:
        digest.add(row)
    return digest.fingerprint()


def fingerprint_configs(configs: Mapping[str, str]) -> str:
    """Return SHA-256 over the fingerprints of configs, in the alphabetical order of their names."""
    return hashlib.sha256(json.dumps(dict(sorted(configs.items()))).encode()).hexdigest()
