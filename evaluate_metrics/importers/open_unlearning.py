"""open-unlearning's `TOFU_EVAL.json` (github.com/locuslab/open-unlearning) as a log of ours, as far as its fields go.

There each metric has a table `value_by_index`; the tables of one task together are a task of our log. It holds losses
per token and no sums or counts of tokens, so `gt_loss`, `num_token_gt` and their like are left out: no metric needs
them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluate_metrics.log_format import read_log, write_log

# Task of ours -> prefix of its tables, and whether one is of the paraphrase; the real sets score the answer instead.
PREFIXES: dict[str, tuple[str, bool]] = {
    "eval_log_forget.json": ("forget", True),
    "eval_log.json": ("retain", True),
    "eval_real_author_wo_options.json": ("ra", False),
    "eval_real_world_wo_options.json": ("wf", False),
}


def import_log(
    source: Path, output: Path, forget: str | None = None, model: str | None = None
) -> dict[str, list[str]]:
    """Write a log from `TOFU_EVAL.json`.

    Args:
        source: The file.
        output: New folder of the log.
        forget: Forget set that was evaluated; the file does not say it.
        model: Model that was evaluated; the file does not say it.

    Returns:
        The tables that were missing for each task that could not be imported.

    Raises:
        FileNotFoundError: If there is no such file.
        FileExistsError: If the output is there already.
        ValueError: If it is not such a file, no task is complete, or a value is missing; it is named.
    """
    if not source.is_file():
        raise FileNotFoundError(f"no file {source}")
    if output.exists():
        raise FileExistsError(f"{output} exists; choose another --output")
    try:
        tables = json.loads(source.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is not JSON ({error})") from error
    if isinstance(tables, Mapping) and tables and all(isinstance(value, int | float) for value in tables.values()):
        raise ValueError(f"{source} has only means, as TOFU_SUMMARY.json does; give the TOFU_EVAL.json beside it")
    log, missing = _convert(source, tables)
    if not log:
        needed = "; ".join(f"{task} lacks {', '.join(names)}" for task, names in missing.items())
        raise ValueError(f"{source} has no complete task of TOFU: {needed}")
    read_log(log)
    output.mkdir(parents=True)
    meta = {
        "schema": 1,
        "model": model,
        "forget": forget,
        "imported": {"from": "open-unlearning", "file": source.name, "missing": missing},
    }
    write_log(output, log, meta)
    return missing


def _convert(source: Path, tables: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the tasks that are complete, and the tables that the others lack."""
    log: dict[str, Any] = {}
    missing: dict[str, list[str]] = {}
    for task, (prefix, has_paraphrase) in PREFIXES.items():
        right, said, wrong = (f"{prefix}_Q_A_{kind}" for kind in ("Prob", "ROUGE", "PERT_Prob"))
        paraphrased = f"{prefix}_Q_A_PARA_Prob" if has_paraphrase else right
        names = dict.fromkeys((right, paraphrased, wrong, said))
        absent = [name for name in names if not isinstance(_rows(tables, name), Mapping)]
        if absent:
            missing[task] = absent
            continue
        fields = {
            "avg_gt_loss": (right, "avg_loss"),
            "avg_paraphrased_loss": (paraphrased, "avg_loss"),
            "average_perturb_loss": (wrong, "avg_loss"),
            "rougeL_recall": (said, "rougeL_recall"),
            "rouge1_recall": (said, "rouge1_recall"),
        }
        log[task] = {field: _column(source, tables, *place) for field, place in fields.items()}
        texts = [_column(source, tables, said, part) for part in ("input", "generation", "ground_truth")]
        log[task]["generated_text"] = {index: [text[index] for text in texts] for index in texts[0]}
    return log, missing


def _rows(tables: Any, table: str) -> Any:
    """Return the rows of a table by index, None where it has none."""
    content = tables.get(table) if isinstance(tables, Mapping) else None
    return content.get("value_by_index") if isinstance(content, Mapping) else None


def _column(source: Path, tables: Mapping[str, Any], table: str, field: str) -> dict[str, Any]:
    """Return one field of a table by index."""
    column = {}
    for index, values in _rows(tables, table).items():
        if not isinstance(values, Mapping) or values.get(field) is None:
            raise ValueError(f"{source}, {table}, row {index}: {field} is missing")
        column[index] = values[field]
    return column
