"""A dataset as a folder of Parquet that `load_dataset("clear", config)` reads, here and on the Hub."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset, Features

from .fingerprint import fingerprint_configs, fingerprint_rows

META = "dataset_meta.json"


def write_configs(
    folder: Path,
    configs: Mapping[str, tuple[Features, Iterable[Mapping[str, Any]]]],
    card: str,
    header: Mapping[str, Any],
    meta: Mapping[str, Any],
    written: Callable[[str], None],
) -> None:
    """Writes each config as Parquet with embedded images, the card, and what the data are.

    Args:
        folder: New or empty.
        configs: Features and rows by name; columns that the features lack are left out. The first is the default.
        card: Text of README.md below its header.
        header: YAML header of the card, without `configs`.
        meta: What goes into `dataset_meta.json` beside fingerprints and row counts.
        written: Told the name of each config once it is written.
    """
    about = {}
    for name, (features, rows) in configs.items():
        cells = [{column: row.get(column) for column in features} for row in rows]
        (folder / name).mkdir(parents=True)
        about[name] = {"rows": len(cells), "fingerprint": fingerprint_rows(cells)}
        Dataset.from_list(cells, features=features).to_parquet(folder / _file(name, about[name]["fingerprint"]))
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
    (folder / "README.md").write_text(f"---\n{front}---\n\n{card}")
    fingerprint = fingerprint_configs({name: entry["fingerprint"] for name, entry in about.items()})
    content = {"schema": 1, **meta, "configs": about, "fingerprint": fingerprint}
    (folder / META).write_text(json.dumps(content, indent=2) + "\n")


def _file(config: str, fingerprint: str) -> str:
    """Where a config's rows lie.

    The name changes with the rows: the cache of `datasets` knows a local folder by the paths in its card alone, and
    would go on giving the rows of a folder that has been built again with others.
    """
    return f"{config}/train-00000-of-00001-{fingerprint[:12]}.parquet"


def read_meta(folder: Path) -> dict[str, Any] | None:
    """What `dataset_meta.json` of a built folder says, None if there is none."""
    path = folder / META
    return json.loads(path.read_text()) if path.is_file() else None
