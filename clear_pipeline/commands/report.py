"""`clear-unlearning report`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def report(argv: Sequence[str]) -> None:
    """Write the report of a demo's folder again, from its logs."""
    parser = argparse.ArgumentParser("clear-unlearning report", description=report.__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished demo")
    parser.add_argument("--visual", type=Path, help="folder of a finished visual run, whose table becomes a section")
    options = parser.parse_args(argv)
    from clear_pipeline.experiment.demo import report_of
    from clear_pipeline.report.terminal import report_table

    Console().print(report_table(report_of(options.folder, options.visual)))
    print(f"report: {options.folder / 'report.html'}")
