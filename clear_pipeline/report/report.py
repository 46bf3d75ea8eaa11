"""The report of a run: report.json for programs, report.md, and report.html, one page that needs nothing else."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from clear_pipeline.runs.run_folder import RUN_FILE, read_run, write_files
from evaluate_metrics.columns import COLUMNS
from evaluate_metrics.log_format import TaskLog, check_same_rows, read_log, read_meta
from evaluate_metrics.scores import score_log

from .audit_columns import add_audits
from .pages import markdown, page

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """A model of the report.

    Attributes:
        name: `original`, `gold` or a method's name.
        log: Folder of its log and metadata.
        seconds: Time of its training, None if not known.
        settings: Settings of its training.
    """

    name: str
    log: Path
    seconds: float | None
    settings: dict[str, Any]


def write_report(
    output: Path,
    entries: Sequence[Entry],
    load: Callable[[str], Dataset],
    forget: str,
    settings: dict[str, Any],
    notes: Sequence[str] = (),
    faces: Mapping[str, Any] | None = None,
    more_golds: Sequence[Path] = (),
    audits: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write report.json, report.md and report.html; what was there stays until all three are ready.

    Args:
        output: Folder to write into.
        entries: The models, `original` and `gold` among them, all scored on the same rows.
        load: Gives the rows of a config, with decoded images; asked only for tasks about images.
        forget: Forget set.
        settings: What the run is: corpus, seed, sizes.
        notes: What a reader must know. Notes on made-up fields in the logs' metadata are added.
        faces: Table of the visual track, as `read_faces` gives it, for a section of its own.
        more_golds: Logs of further gold models; with two of them the distance to gold and the people are shown.
        audits: Folders of audits of these models, whose numbers become columns.

    Returns:
        The content of report.json.

    Raises:
        ValueError: If `original` or `gold` is missing, a name is there twice, the logs are not of the same rows, a
            number is not finite, or an audit is of other models or people.
        FileNotFoundError: If a folder holds no finished audit.
    """
    names = [entry.name for entry in entries]
    missing = [name for name in ("original", "gold") if name not in names]
    if missing:
        raise ValueError(f"the report needs an entry named {missing[0]!r}; it has {', '.join(names) or 'none'}")
    if len(set(names)) < len(names):
        raise ValueError(f"the report has a name twice: {', '.join(names)}")
    logs = {entry.name: read_log(entry.log) for entry in entries}
    check_same_rows(logs)
    metas = {entry.name: read_meta(entry.log) for entry in entries}
    made = _unique(note for meta in metas.values() for note in _made(meta))
    original, gold = (next(entry.log for entry in entries if entry.name == name) for name in ("original", "gold"))
    tasks = metas["original"].get("tasks", {})
    rows = [report_row(entry, gold, more_golds, original) for entry in entries]
    if audits:
        add_audits(rows, [_model_digest(entry.log) for entry in entries], forget, audits)
    report = {
        "schema": SCHEMA,
        "forget": forget,
        "settings": settings,
        "sizes": {key: _size(task, tasks.get(key, {})) for key, task in logs["original"].items()},
        "rows": rows,
        "notes": _unique([*notes, *made]),
        **({"faces": faces} if faces else {}),
    }
    pages = {
        "report.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "report.md": markdown(report, bool(made)),
        "report.html": page(report, made, logs, tasks, load),
    }
    write_files(output, pages)
    return json.loads(pages["report.json"])


def report_row(entry: Entry, gold: Path, more_golds: Sequence[Path], original: Path) -> dict[str, Any]:
    """Return the numbers of one model, as report.json has them."""
    scores = {**score_log(entry.log, gold, more_golds, original=original), "seconds": entry.seconds}
    floor = read_meta(entry.log).get("floor")
    return {
        "name": entry.name,
        **({"floor": floor} if floor else {}),
        **{column.key: column.value(scores) for column in COLUMNS if not column.keeper},
        **{column.logarithm: scores[column.logarithm] for column in COLUMNS if column.logarithm},
        "intervals": scores["intervals"],
        "people": scores["people"],
        "settings": entry.settings,
        "tasks": scores["tasks"],
    }


def _model_digest(log: Path) -> str | None:
    """Return the digest of the model that a log is of; None if no run of ours made it."""
    record = read_run(log) if (log / RUN_FILE).is_file() else None
    return record["settings"].get("digests", {}).get("model") if record else None


def _size(task: TaskLog, about: Mapping[str, Any]) -> dict[str, int | None]:
    persons = [person for person in about.get("person", []) if person is not None]
    return {"rows": len(task.loss), "persons": len(set(persons)) if persons else None}


def _made(meta: Mapping[str, Any]) -> list[str]:
    """Note on made-up fields in a log's metadata: one sentence or several."""
    made = meta.get("made", [])
    return [made] if isinstance(made, str) else list(made)


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
