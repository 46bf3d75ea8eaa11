"""The table of what must hold for a dataset, the data that it looks at, and what it found as a table to read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from clear_data.building.pictures import Pictures
from clear_data.source import SourceRows, config_names, source_meta
from clear_data.splits import published_forget_people

from .cells import (
    check_columns,
    check_configs,
    check_counts,
    check_filled,
    check_fingerprint,
    check_names,
    check_pictures,
    check_wrong,
)
from .findings import EXTRA, PHOTOS, TABLES, TEXT, Finding, Rows
from .splits import (
    check_default,
    check_held_out,
    check_nested,
    check_partition,
    check_perturbed,
    check_tofu,
    check_tracks,
)

SHOWN = 20  # findings of a check that are written out


def _always(data: Rows) -> bool:
    return True


@dataclass(frozen=True)
class Check:
    """A row of the table: what must hold, for which data, and the function that looks."""

    kinds: tuple[str, ...]
    find: Callable[[Rows], Iterator[Finding]]
    applies: Callable[[Rows], bool] = _always

    @property
    def holds(self) -> str:
        """What holds, in words."""
        return (self.find.__doc__ or "").split("\n")[0].removeprefix("Check that ")


ALL = (PHOTOS, TEXT, EXTRA)
CHECKS: dict[str, Check] = {
    "configs": Check(ALL, check_configs),
    "columns": Check(ALL, check_columns),
    "pictures": Check((PHOTOS, EXTRA), check_pictures),
    "filled": Check(ALL, check_filled),
    "names": Check(ALL, check_names),
    "default": Check((PHOTOS,), check_default),
    "partition": Check((PHOTOS, TEXT), check_partition),
    "nested": Check((PHOTOS, TEXT), check_nested),
    "tofu": Check((PHOTOS,), check_tofu),
    "perturbed": Check((PHOTOS, TEXT), check_perturbed),
    "wrong": Check(ALL, check_wrong),
    "counts": Check((PHOTOS,), check_counts, lambda data: data.published),
    "tracks": Check((EXTRA,), check_tracks, lambda data: data.beside is not None),
    "held_out": Check((PHOTOS, EXTRA), check_held_out),
    "fingerprint": Check(ALL, check_fingerprint, lambda data: data.meta is not None),
}


def run_checks(data: Rows) -> dict[str, list[Finding]]:
    """Return what each check finds that is meant for such data; one that holds finds nothing.

    With wrong columns there is no more to be looked at than those.
    """
    checks = {name: check for name, check in CHECKS.items() if data.kind in check.kinds and check.applies(data)}
    if any(check_columns(data)):
        checks = {name: checks[name] for name in ("configs", "columns")}
    return {name: list(check.find(data)) for name, check in checks.items()}


def load_rows(source: str | Path, pictures: Pictures, revision: str | None = None) -> Rows:
    """Read a whole dataset, its pictures as pixels.

    Args:
        source: Folder or Hub id.
        pictures: What is known of them already.
        revision: Branch, tag or commit on the Hub.

    Raises:
        ValueError: If files are broken, or it has no config of ours.
        FileNotFoundError: If there is no such folder or repository.
    """
    names = config_names(source, revision)
    kind = max(TABLES, key=lambda kind: len(TABLES[kind].keys() & names))
    if not TABLES[kind].keys() & names or names == ["default"]:
        raise ValueError(f"{source} has none of our configs ({', '.join(TABLES[kind])}); it has {', '.join(names)}")
    opened = {name: SourceRows(source, name, revision) for name in names}
    configs = {name: list(pictures.describe(rows)) for name, rows in opened.items()}
    meta = source_meta(source, revision)
    features = {name: rows.features for name, rows in opened.items()}
    return Rows(kind, configs, features, meta, is_published(configs, meta))


def is_published(configs: Mapping[str, Iterable[Mapping[str, Any]]], meta: Mapping[str, Any] | None) -> bool:
    """Return whether these are the published data: recorded so, or not recorded and with the published people."""
    if meta is not None:
        return meta.get("corpus") == "published"
    return published_forget_people(row["name"] for row in configs.get("full", []) if row.get("name")) is not None


def check_source(source: str | Path, revision: str | None = None) -> dict[str, dict[str, list[Finding]]]:
    """Check a dataset, and the `<folder>_extra` beside it if there is one.

    Args:
        source: Folder or Hub id.
        revision: Branch, tag or commit on the Hub.

    Returns:
        For each folder, what each check found; nothing where it holds.

    Raises:
        ValueError: If files are broken, or it has no config of ours.
        FileNotFoundError: If there is no such folder or repository.
    """
    pictures = Pictures(stored=True)
    main = load_rows(source, pictures, revision)
    extra = Path(f"{Path(source)}_extra")
    if main.kind != PHOTOS or not extra.is_dir():
        return {str(source): run_checks(main)}
    beside = load_rows(extra, pictures)
    return {
        str(source): run_checks(replace(main, beside=beside)),
        str(extra): run_checks(replace(beside, beside=main)),
    }


def table_of_checks(found: dict[str, list[Finding]], title: str) -> Table:
    """Return what holds and what does not, a row a check."""
    table = Table(title=title, title_justify="left")
    for column in ("check", "what holds", "found"):
        table.add_column(column)
    for name, findings in found.items():
        verdict = f"[red]{len(findings)} wrong[/red]" if findings else "[green]ok[/green]"
        table.add_row(name, CHECKS[name].holds, verdict)
    return table


def lines_of_findings(found: dict[str, list[Finding]]) -> Iterator[str]:
    """Yield a line a finding, the first ones of each check."""
    for name, findings in found.items():
        yield from (f"{name}: {finding}" for finding in findings[:SHOWN])
        if len(findings) > SHOWN:
            yield f"{name}: ... and {len(findings) - SHOWN} more"
