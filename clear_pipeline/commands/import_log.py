"""`clear-unlearning import-log`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def import_log(argv: Sequence[str]) -> None:
    """Turn open-unlearning's TOFU_EVAL.json into a log."""
    parser = argparse.ArgumentParser("clear-unlearning import-log", description=import_log.__doc__)
    parser.add_argument("file", type=Path, help="TOFU_EVAL.json")
    parser.add_argument("--output", type=Path, required=True, help="new folder of the log")
    parser.add_argument("--forget", choices=("forget01", "forget05", "forget10"), help="forget set of the evaluation")
    parser.add_argument("--model", help="model of the evaluation")
    options = parser.parse_args(argv)
    from evaluate_metrics.importers.open_unlearning import import_log as run

    missing = run(options.file, options.output, options.forget, options.model)
    for task, tables in missing.items():
        print(f"left out: {task} ({', '.join(tables)} missing)", file=sys.stderr)
    print(f"log: {options.output}")
