"""Publishing: a built folder as a dataset of the Hub, each metric as a Space with an app of its own.

A metric's folder is written self-contained, as `evaluate.load` and a Space need it: flat, so that the file that is
`evaluate_metrics/rouge/compute.py` here is `rouge_compute.py` there, and `from evaluate_metrics.rouge.compute import
rouge` becomes `from .rouge_compute import rouge`.
"""

import argparse
import re
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
from clear_data.configs import CONFIGS, EXTRA_CONFIGS, TEXT_CONFIGS

from .card import dataset_card
from .hub_commit import Pushed, push_files

TABLES = (CONFIGS, EXTRA_CONFIGS, TEXT_CONFIGS)  # the configs of a folder are all in one of them
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
_SHARED = re.compile(r"^from evaluate_metrics\.([\w.]+) import (.+)$", re.MULTILINE)


def add_push(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `push`."""
    parser.add_argument("--repo-id", required=True, help="dataset on the Hub: NAMESPACE/NAME")
    parser.add_argument("--folder", type=Path, default=Path("clear"), help="built folder (%(default)s)")
    parser.add_argument("--private", action="store_true", help="make new repositories private")
    parser.add_argument("--tag", help="name of this version, for example v1")
    parser.add_argument("--metrics", action="store_true", help="publish each metric as a Space NAMESPACE/METRIC too")


def push(
    folder: Path, repo_id: str, private: bool, tag: str | None, metrics: bool, metrics_root: Path
) -> Iterator[str]:
    """Publish a built folder, and if asked for the metrics too.

    Args:
        folder: Built folder.
        repo_id: Dataset on the Hub.
        private: Make new repositories private.
        tag: Name of this version.
        metrics: Publish each metric as a Space too.
        metrics_root: The folder `evaluate_metrics`.

    Yields:
        A line for each repository once it is done.

    Raises:
        ValueError: If no table has the folder's configs, and as `push_files`.
        FileNotFoundError, PermissionError, ConnectionError: As `push_dataset`.
    """
    configs = (read_meta(folder) or {}).get("configs", {})
    table = next((table for table in TABLES if set(configs) <= set(table)), None)
    if table is None:
        unknown = sorted(min((set(configs) - set(table) for table in TABLES), key=len))
        raise ValueError(f"{folder} holds configs that are in no table: {', '.join(unknown)}")
    what = {name: config.what for name, config in table.items()}
    yield _told(push_dataset(folder, repo_id, what, private, tag))
    if metrics:
        yield from map(_told, push_metrics(metrics_root, repo_id.split("/")[0], private))


def _told(pushed: Pushed) -> str:
    if not pushed.changed and not pushed.deleted:
        return f"{pushed.url}: nothing changed, no commit"
    removed = f", {len(pushed.deleted)} removed" if pushed.deleted else ""
    return f"{pushed.url}: commit {pushed.commit[:8]}, {len(pushed.changed)} files sent{removed}"


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
    """Return features and sizes of a config, from its Parquet files."""
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


def copy_metric(name: str, metrics_root: Path, target: Path) -> None:
    """Copy a metric's folder, and every file of `evaluate_metrics` that it imports.

    Args:
        name: Of the metric.
        metrics_root: The folder `evaluate_metrics`.
        target: New folder.

    Raises:
        FileNotFoundError: If the metric, or a file that it imports, is missing.
    """
    source = metrics_root / name
    if not (source / f"{name}.py").is_file():
        known = sorted(path.parent.name for path in metrics_root.glob("*/README.md"))
        raise FileNotFoundError(f"no metric {name!r} in {metrics_root}; there are {', '.join(known)}")
    target.mkdir(parents=True)
    shutil.copy(source / "README.md", target)
    main = target / f"{name}.py"
    _copy_module(f"{name}.{name}", metrics_root, main)
    text = main.read_text()
    # `evaluate` fetches only the modules that the main file names, so it names what these import as well.
    unnamed = [path.stem for path in sorted(target.glob("*.py")) if path != main and f"from .{path.stem} " not in text]
    lines = "".join(f"from .{module} import __name__ as _{module}\n" for module in unnamed)
    main.write_text(text.replace("import evaluate\n", f"import evaluate\n{lines}", 1))


def _copy_module(module: str, metrics_root: Path, copy: Path) -> None:
    """Copy one file with its imports rewritten, and then the files that it imports."""
    if copy.exists():
        return
    text = metrics_root.joinpath(*module.split(".")).with_suffix(".py").read_text()
    copy.write_text(_SHARED.sub(lambda match: f"from .{flat_name(match[1])} import {match[2]}", text))
    for match in _SHARED.finditer(text):
        _copy_module(match[1], metrics_root, copy.with_name(f"{flat_name(match[1])}.py"))


def flat_name(module: str) -> str:
    """Return the name of a module in a published folder: `rouge.compute` is `rouge_compute`."""
    return module.replace(".", "_")
