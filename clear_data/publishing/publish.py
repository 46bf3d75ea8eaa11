"""Publishing: a built folder as a dataset of the Hub, each metric as a Space with an app of its own."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from datasets import DatasetInfo, Features, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData
from huggingface_hub.repocard import metadata_load

from clear_data.building.folder import META, read_meta

from .card import dataset_card
from .hub_commit import Pushed, push_files
from .metric_folders import copy_metric

# What an app needs beside gradio, which comes with the Space's SDK; the bounds are pyproject.toml's.
REQUIREMENTS = (
    "datasets>=4.2",
    "evaluate>=0.4.6",
    "numpy>=2",
    "regex>=2024.9.11",
    "rouge-score>=0.1.2",
    "scipy>=1.14",
)
APP = '''"""The app of this Space; what it does is in evaluate_metrics/space_app.py."""

from pathlib import Path

from evaluate_metrics.space_app import build_app

app = build_app("{metric}", Path(__file__).parent)

if __name__ == "__main__":
    app.launch(max_file_size="100mb")
'''
# The app with what it imports, as a package beside the metric.
SPACE_MODULES = ("__init__.py", "space_app.py", "log_format.py", "tasks.py", "token_log.py")


def push_dataset(
    folder: Path, repo_id: str, what: Mapping[str, str], private: bool = False, tag: str | None = None
) -> Pushed:
    """Publish a built folder in one commit; configs that did not change are not sent again.

    Args:
        folder: Written by `build`.
        repo_id: `namespace/name` of the dataset.
        what: What each config holds, in a few words, for the card.
        private: Make a new repository private.
        tag: Name of the version.

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If the folder is not a built dataset, or a config's file is missing.
        PermissionError, ValueError, ConnectionError: As `push_files`.
    """
    meta = read_meta(folder)
    header = metadata_load(folder / "README.md") if meta else None
    if meta is None or header is None:
        raise FileNotFoundError(f"{folder} is not a built dataset (it has no {META}); `build` writes one")
    paths = {entry["config_name"]: entry["data_files"][0]["path"] for entry in header["configs"]}
    found = {name: sorted(folder.glob(pattern)) for name, pattern in paths.items()}
    missing = sorted(name for name in meta["configs"] if not found.get(name))
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks the files of {', '.join(missing)}; `build --overwrite` writes it anew"
        )
    infos = DatasetInfosDict({name: _info(files) for name, files in found.items()})
    described = DatasetCardData()
    infos.to_dataset_card_data(described)
    entries: Any = described.get("dataset_info")
    infos_by_name = {entry["config_name"]: entry for entry in entries}
    card = dataset_card(repo_id, header, meta, what, [infos_by_name[name] for name in paths])
    files: dict[str, Path | bytes] = {
        path.relative_to(folder).as_posix(): path for place in found.values() for path in place
    }
    files |= {"README.md": card.encode(), META: folder / META}
    message = f"{header['pretty_name']}: rows with fingerprint {meta['fingerprint'][:12]}"
    return push_files(repo_id, "dataset", files, message, stale="*/*.parquet", private=private, tag=tag)


def _info(files: list[Path]) -> DatasetInfo:
    """Features and sizes of a config, from its Parquet files."""
    heads = [parquet.read_metadata(file) for file in files]
    size = sum(head.row_group(number).total_byte_size for head in heads for number in range(head.num_row_groups))
    rows = sum(head.num_rows for head in heads)
    return DatasetInfo(
        features=Features.from_arrow_schema(heads[0].schema.to_arrow_schema()),
        splits=SplitDict({"train": SplitInfo("train", size, rows)}),
        download_size=sum(file.stat().st_size for file in files),
        dataset_size=size,
    )


def push_metrics(metrics_root: Path, namespace: str, private: bool = False) -> Iterator[Pushed]:
    """Publish each metric as the Space `namespace/<metric>`, each in one commit.

    Args:
        metrics_root: The folder `evaluate_metrics`.
        namespace: User or organisation.
        private: Make new Spaces private.

    Yields:
        What was done, metric by metric.

    Raises:
        PermissionError, ValueError, FileNotFoundError, ConnectionError: As `push_files`.
    """
    for metric in sorted(path.parent.name for path in metrics_root.glob("*/README.md")):
        with tempfile.TemporaryDirectory() as staging:
            folder = Path(staging, metric)
            write_space(metric, metrics_root, folder, namespace)
            files: dict[str, Path | bytes] = {
                str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()
            }
            yield push_files(f"{namespace}/{metric}", "space", files, f"Metric {metric}", "*.py", private)


def write_space(metric: str, metrics_root: Path, folder: Path, namespace: str) -> None:
    """Write a metric's Space: the metric with all that it needs, its card, its app and what that requires.

    Args:
        metric: Name of its folder.
        metrics_root: The folder `evaluate_metrics`.
        folder: New.
        namespace: Where the Space is published: the card's example loads it from there.
    """
    copy_metric(metric, metrics_root, folder)
    card = folder / "README.md"
    card.write_text(card.read_text().replace(f'"clear/{metric}"', f'"{namespace}/{metric}"'))
    package = folder / metrics_root.name
    package.mkdir()
    for module in SPACE_MODULES:
        shutil.copy(metrics_root / module, package)
    (folder / "app.py").write_text(APP.format(metric=metric))
    (folder / "requirements.txt").write_text("\n".join(REQUIREMENTS) + "\n")
