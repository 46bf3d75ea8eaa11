"""Writes a corpus: read, checked if it comes from outside, and moved to its place when all of it is there.

New folders come all or none: written aside, then moved to their places, so that nothing is ever half there.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from clear_data.checks import run_checks
from clear_data.checks.findings import EXTRA, PHOTOS, TEXT, Finding, Rows
from clear_data.configs import CONFIGS, EXTRA_CONFIGS
from clear_data.corpora import CORPORA, Corpus, Part, Settings, read_source
from clear_data.publishing.publish import copy_metric
from clear_data.source import is_source

from .folder import META, write_configs
from .pictures import Pictures

FIRST = 3  # findings that an error names


def build_corpus(
    corpus: str,
    output: Path,
    settings: Settings,
    metrics: Path,
    overwrite: bool,
    with_findings: bool,
    written: Callable[[str], None],
) -> Path:
    """Build a dataset; see `clear_dataset.build`.

    Args:
        corpus: A key of CORPORA, a folder or a Hub id.
        output: Folder to write.
        settings: What the corpus is told.
        metrics: The folder `evaluate_metrics`, copied beside the configs with photos.
        overwrite: Replace a dataset that was built before.
        with_findings: Write what does not pass the checks, and record what was found.
        written: Told the name of each config once it is written.
    """
    pictures = Pictures()
    kind = CORPORA.get(corpus)
    if kind is None and not is_source(corpus):
        raise ValueError(f"unknown corpus {corpus!r}; choose from {', '.join(CORPORA)}, a folder or a Hub id")
    places = [output, output.parent / f"{output.name}_extra"]
    # The extra folder of what was built before goes even if this corpus has none: it would belong to other people.
    text_only = kind is not None and kind.folder == "tofu"
    with new_folders(places[:1] if text_only else places, overwrite) as parts:
        read = read_source(corpus, settings) if kind is None else kind.read(settings, pictures)
        meta = read.meta
        if read.foreign and (findings := _findings(read, pictures)):
            if not with_findings:
                first = "; ".join(map(str, findings[:FIRST]))
                raise ValueError(
                    f"the checks found {len(findings)} faults, so nothing was written: {first}"
                    f"{'; ...' if findings[FIRST:] else ''} (--with_findings builds nonetheless, and records them)"
                )
            meta = {**meta, "findings": [str(finding) for finding in findings]}
        for place, part in zip(parts, (read.main, read.extra), strict=False):
            if part is not None:
                _write(place, part, read.licence, meta, pictures, written)
        if read.main.table is CONFIGS:
            for metric in sorted(path.parent.name for path in metrics.glob("*/README.md")):
                copy_metric(metric, metrics, parts[0] / metric)
    return output


def _findings(read: Corpus, pictures: Pictures) -> list[Finding]:
    """Check what is about to be written.

    Raises:
        ValueError: If there are other columns than those of the table, which nothing can be written with.
    """
    main = _rows(read.main, pictures, read.meta["corpus"] == "published")
    beside = _rows(read.extra, pictures, published=False) if read.extra else None
    found = [run_checks(replace(main, beside=beside))]
    found += [run_checks(replace(beside, beside=main))] if beside else []
    for finding in (finding for checks in found for finding in checks["columns"]):
        raise ValueError(f"the columns are not those of the published schema: {finding}")
    return [finding for checks in found for findings in checks.values() for finding in findings]


def _rows(part: Part, pictures: Pictures, published: bool) -> Rows:
    kind = PHOTOS if part.table is CONFIGS else EXTRA if part.table is EXTRA_CONFIGS else TEXT
    features = {name: part.table[name].features for name in part.rows} | dict(part.features)
    configs = {}
    for name, rows in part.rows.items():
        columns = [column for column in part.table[name].features if column in features[name]]
        cells = ({column: row.get(column) for column in columns} for row in rows)
        configs[name] = list(pictures.describe(cells))
    return Rows(kind, configs, features, part.recorded, published)


def _write(
    folder: Path,
    part: Part,
    licence: str,
    meta: Mapping[str, Any],
    pictures: Pictures,
    written: Callable[[str], None],
) -> None:
    header = {
        "pretty_name": part.title,
        "license": licence,
        "language": ["en"],
        "tags": ["machine unlearning", "fictitious people"],
    }
    table = {name: config for name, config in part.table.items() if name in part.rows}

    def card(about: Mapping[str, Any]) -> str:
        lines = [f"| `{name}` | {about[name]['rows']} | {config.what} |" for name, config in table.items()]
        intro = "The people are fictitious. Made by `python clear_dataset.py build`; see `dataset_meta.json`."
        return "\n".join([f"# {part.title}", "", intro, "", "| config | rows | what |", "|---|---|---|", *lines, ""])

    folder.mkdir(parents=True)
    configs = {name: (config.features, part.rows[name]) for name, config in table.items()}
    write_configs(folder, configs, card, header, meta, pictures, written)


@contextmanager
def new_folders(places: Sequence[Path], overwrite: bool) -> Iterator[list[Path]]:
    """Give a path to write for each place, and move what was written there once the block has ended well.

    A failure or Ctrl-C, in the block or while moving, leaves the places as they were.

    Args:
        places: Folders that there shall be; all in one parent, which is made if it is missing. Where nothing was
            written for a place, there is nothing at it in the end.
        overwrite: Replace what is there, if it is a built dataset; nothing else is ever removed.

    Raises:
        ValueError: If a place has no name, as `.` has none.
        FileExistsError: If a place is taken and `overwrite` is off, or what is there is not a built dataset.
    """
    for place in places:
        if place.name in ("", ".."):
            raise ValueError(f"{str(place)!r} cannot be replaced by a dataset; give the name of a new folder")
        if place.exists() and not overwrite:
            raise FileExistsError(f"{place} exists; choose another --output, or --overwrite to replace it")
        if place.exists() and not (place / META).is_file():
            raise FileExistsError(f"{place} is not a built dataset (it has no {META}): it is not overwritten")
    parent = places[0].parent
    parent.mkdir(parents=True, exist_ok=True)
    # Beside the places, since only within a file system a folder moves in one step.
    with tempfile.TemporaryDirectory(prefix=f".{places[0].name}-", dir=parent) as staging:
        written = [Path(staging, place.name) for place in places]
        yield written
        _move(written, places, Path(staging))


def _move(written: Sequence[Path], places: Sequence[Path], staging: Path) -> None:
    """Move the written folders to their places; what was there goes aside, and back if anything fails."""
    undo: list[tuple[Path, Path]] = []
    try:
        for new, place in zip(written, places, strict=True):
            for source, target in ((place, staging / f"{place.name}.old"), (new, place)):
                if source.exists():
                    source.rename(target)
                    undo.append((target, source))
    except BaseException:
        for target, source in reversed(undo):
            target.rename(source)
        raise
