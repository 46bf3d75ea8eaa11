"""`python clear_dataset.py push`: its flags, and what it says of what it did."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from clear_data.building.folder import read_meta
from clear_data.configs import CONFIGS, EXTRA_CONFIGS, TEXT_CONFIGS

from .hub_commit import Pushed
from .publish import push_dataset, push_metrics

TABLES = (CONFIGS, EXTRA_CONFIGS, TEXT_CONFIGS)  # the configs of a folder are all in one of them


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
