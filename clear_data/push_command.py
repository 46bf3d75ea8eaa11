"""`python clear_dataset.py push`: its flags, and what it says of what it did."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .folder import read_meta
from .hub_commit import Pushed
from .publish import push_dataset, push_metrics


def push_command(argv: Sequence[str], tables: Sequence[Mapping[str, str]], metrics_root: Path) -> Iterator[str]:
    """Publishes a built folder, and with `--metrics` the metrics too.

    Args:
        argv: The command line behind `push`.
        tables: Tables of configs, what each holds by its name: those of a folder are all in one of them.
        metrics_root: The folder `evaluate_metrics`.

    Yields:
        A line for each repository once it is done.

    Raises:
        ValueError: If no table has the folder's configs, and as `push_files`.
        FileNotFoundError, PermissionError, ConnectionError: As `push_dataset`.
    """
    parser = argparse.ArgumentParser("clear_dataset.py push", description="Publish a built folder on the Hub.")
    parser.add_argument("--repo-id", required=True, help="dataset on the Hub: NAMESPACE/NAME")
    parser.add_argument("--folder", type=Path, default=Path("clear"), help="built folder (%(default)s)")
    parser.add_argument("--private", action="store_true", help="make new repositories private")
    parser.add_argument("--tag", help="name of this version, for example v1")
    parser.add_argument("--metrics", action="store_true", help="publish each metric as a Space NAMESPACE/METRIC too")
    options = parser.parse_args(argv)
    configs = (read_meta(options.folder) or {}).get("configs", {})
    table = next((table for table in tables if set(configs) <= set(table)), None)
    if table is None:
        unknown = sorted(min((set(configs) - set(table) for table in tables), key=len))
        raise ValueError(f"{options.folder} holds configs that are in no table: {', '.join(unknown)}")
    yield _told(push_dataset(options.folder, options.repo_id, table, options.private, options.tag))
    if options.metrics:
        yield from map(_told, push_metrics(metrics_root, options.repo_id.split("/")[0], options.private))


def _told(pushed: Pushed) -> str:
    if not pushed.changed and not pushed.deleted:
        return f"{pushed.url}: nothing changed, no commit"
    removed = f", {len(pushed.deleted)} removed" if pushed.deleted else ""
    return f"{pushed.url}: commit {pushed.commit[:8]}, {len(pushed.changed)} files sent{removed}"
