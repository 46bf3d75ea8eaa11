"""A run of the visual track, from photos to report."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console

from clear_pipeline.runs.executor import check_executor, run_steps
from clear_pipeline.runs.run_folder import write_json
from clear_pipeline.runs.step import Step

from .arguments import VisualArguments
from .report import write_report
from .scores import LOGITS, gather, table_rows
from .steps import photos_step, visual_steps

DIALS_FILE = "visual.json"


def run_visual(
    arguments: VisualArguments, console: Console, executor: str = "local", workers: int | None = None
) -> dict[str, Any]:
    """Train what is missing, and write logits and report.

    Args:
        arguments: The run.
        console: Where progress is drawn.
        executor: As in `run_steps`.
        workers: As in `run_steps`.

    Raises:
        ValueError: If the output folder holds another run.
    """
    check_executor(executor)
    run_steps([Step("photos", photos_step, {"arguments": arguments})], console, workers, executor)
    run_steps(visual_steps(arguments), console, workers, executor)
    about = {
        "dials": arguments.dials(),
        "methods": list(arguments.methods),
        "sigma": arguments.sigma,
        "enrolment_photos": arguments.enrolment_photos,
        "settings": {method: arguments.method_settings(method) for method in arguments.methods},
        "pretraining": asdict(arguments.pretraining),
    }
    write_json(arguments.output / DIALS_FILE, about)
    return report_of(arguments.output)


def report_of(output: Path) -> dict[str, Any]:
    """Write logits and report of a finished run.

    Raises:
        FileNotFoundError: If the folder holds no finished run.
    """
    path = output / DIALS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{output} holds no finished run of the visual track ({DIALS_FILE} is missing)")
    about = json.loads(path.read_text())
    accuracies, logits = gather(output, about["methods"])
    part = output / f"{LOGITS}.part"
    pq.write_table(logits, part)
    part.rename(output / LOGITS)
    rows = table_rows(accuracies, logits, about["sigma"], about["enrolment_photos"])
    return write_report(output, about, rows, logits)
