"""The numbers of audits as columns of a report, each audited model by the digest of its weights; and of a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clear_pipeline.audits import AUDITS
from clear_pipeline.audits.roles import AUDITED, GOLD
from evaluate_metrics.columns import REPORT, Column
from evaluate_metrics.seeds import seeds_interval

VERDICT = "audit.json"
SIDE = "Audits"  # their heading in a report
AUDIT_COLUMNS = [
    Column(f"audit_{name}", audit.title, "gold", SIDE, f"Audit. {audit.about}", frozenset({REPORT}))
    for name, audit in AUDITS.items()
]


def audit_columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns of the audits that any row has a number of."""
    return [column for column in AUDIT_COLUMNS if any(row.get(column.key) is not None for row in rows)]


def add_audits(
    rows: Sequence[dict[str, Any]], digests: Sequence[str | None], forget: str, folders: Sequence[Path]
) -> None:
    """Add the numbers of audits, with their intervals, to the rows of a report; None where a model has none.

    Args:
        rows: Of the report, `gold` among them.
        digests: Digest of the model of each row; None if its log does not say it.
        forget: Forget set of the report.
        folders: What `clear-unlearning audit` wrote, of models of these rows.

    Raises:
        FileNotFoundError: If a folder holds no finished audit.
        ValueError: If an audit is of another forget set, model or gold, without a gold, or two differ.
    """
    gold = digests[next(i for i, row in enumerate(rows) if row["name"] == GOLD)]
    found: dict[str | None, dict[str, Any]] = {}
    for folder in folders:
        content, file = _read(folder), folder / VERDICT
        models = {role: about["digest"] for role, about in content["models"].items()}
        if content["data"]["forgotten"] != forget:
            raise ValueError(f"{file} is about {content['data']['forgotten']}, the report about {forget}")
        if models[AUDITED] not in digests:
            place = content["models"][AUDITED]["place"]
            raise ValueError(f"{file} is of {place}, and no row of the report has these weights; add its log by --add")
        if content["reference"] != GOLD or gold not in models.values():
            raise ValueError(f"{file} does not hold the model against the report's gold; audit it with that --gold")
        for name, about in content["audits"].items():
            for role, numbers in about["numbers"].items():
                if role not in models or models[role] not in digests:
                    continue
                own = {f"audit_{name}": (numbers["score"], numbers["interval"])}
                known = found.setdefault(models[role], {})
                if any(known.get(key, value) != value for key, value in own.items()):
                    raise ValueError(
                        f"{file} has another number of {name} for {content['models'][role]['place']} than the other "
                        "audits; make them with the same settings"
                    )
                known |= own
    for row, digest in zip(rows, digests, strict=True):
        for column in AUDIT_COLUMNS:
            score, interval = found.get(digest, {}).get(column.key, (None, None))
            row[column.key] = score
            if interval:
                row["intervals"][column.key] = interval


def pool_audits(row: dict[str, Any], folders: Sequence[Path], role: str) -> None:
    """Add the means of audits over seeds, with their intervals, to the row of a model in a table.

    Args:
        row: Of the table, with `intervals`.
        folders: What `clear-unlearning audit` wrote, of each seed.
        role: Of the model in these audits.

    Raises:
        FileNotFoundError: If a folder holds no finished audit.
    """
    audits = [_read(folder)["audits"] for folder in folders]
    for name in AUDITS:
        found = [one.get(name, {"numbers": {}})["numbers"].get(role) for one in audits]
        scores = [numbers["score"] for numbers in found if numbers]
        row[f"audit_{name}"] = float(np.mean(scores)) if len(scores) == len(found) else None
        if len(scores) == len(found):
            ends = found[0]["interval"] if len(found) == 1 else seeds_interval(scores, [], crossed=False)
            row["intervals"] |= {f"audit_{name}": list(ends)} if ends else {}


def _read(folder: Path) -> dict[str, Any]:
    file = folder / VERDICT
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no finished audit; `clear-unlearning audit` writes {VERDICT}")
    return json.loads(file.read_text(encoding="utf-8"))
