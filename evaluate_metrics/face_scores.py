"""The scores of the visual track: read from the report of `clear-unlearning visual`, and written as table cells."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluate_metrics.columns import ABSENT

REPORT = "report.json"
SCHEMA = 1
ACCURACIES = ("forget", "holdout", "retain")
ATTACKS = ("u_lira", "u_mia")
COLUMNS = {
    "Forget %": "Photos of forgotten people that are taken for the right person; best near gold.",
    "Holdout %": "The same of people that the model never saw.",
    "Retain %": "The same of the people to keep; higher is better.",
    "U-LIRA": "How often an attacker who knows each photo tells forgotten from never seen; .5 is best, 1 worst.",
    "U-MIA": "The same of an attacker with one decision tree for all photos.",
}


def read_faces(folder: Path) -> dict[str, Any]:
    """Return what the page shows of a visual run, as the store keeps it.

    Args:
        folder: Of the run.

    Raises:
        FileNotFoundError: If there is no report.
        ValueError: If it is not a report of the visual track, or a number is none.
    """
    path = folder / REPORT
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no report of the visual track ({REPORT} is missing); "
            "`clear-unlearning visual demo` writes one"
        )
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    found = [report.get(name) if isinstance(report, dict) else None for name in ("kind", "schema")]
    if found != ["visual", SCHEMA]:
        raise ValueError(f"{path}: kind {found[0]!r}, schema {found[1]!r}; must be 'visual', {SCHEMA}")
    try:
        dials = {str(name): str(value) for name, value in report["dials"].items()}
        return {"dials": dials, "rows": [face_row(row) for row in report["rows"]]}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not as `clear-unlearning visual` writes it: {error!r}") from error


def face_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a row of the report."""
    kept: dict[str, Any] = {"name": str(row["name"])}
    kept |= {name: _share(row[name]) for name in ACCURACIES}
    for name in ATTACKS:
        low, high = row[name]["intervals"].get(name) or (None, None)
        interval = None if low is None else [_share(low), _share(high)]
        kept[name] = {"value": _share(row[name][name]), "interval": interval}
    paper = row["paper"]
    kept["paper"] = paper and {name: _share(paper[name]) for name in (*ACCURACIES, *ATTACKS)}
    return kept


def _share(value: Any) -> float:
    share = float(value)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{value!r} is not a share between 0 and 1")
    return share


def cells(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each number of a row, and its interval where it has one."""
    found = [(f"{100 * row[name]:.1f}", "") for name in ACCURACIES]
    for name in ATTACKS:
        interval = row[name]["interval"]
        found.append((f"{row[name]['value']:.2f}", f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""))
    return found


def paper_cells(paper: Mapping[str, float] | None) -> list[str]:
    """Return the paper's numbers of a method, which it may lack."""
    if paper is None:
        return [ABSENT] * len(COLUMNS)
    return [*(f"{100 * paper[name]:.1f}" for name in ACCURACIES), *(f"{paper[name]:.2f}" for name in ATTACKS)]
