"""`clear-unlearning calibrate`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def calibrate(argv: Sequence[str]) -> None:
    """Trains gold models of several seeds and shows how far apart they are."""
    parser = argparse.ArgumentParser("clear-unlearning calibrate", description=calibrate.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"), help="folder of the runs (%(default)s)")
    parser.add_argument("--golds", type=int, default=6, help="gold models of each forget set (%(default)s)")
    parser.add_argument("--forget", default="forget01,forget05,forget10", help="with commas (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the people (%(default)s)")
    parser.add_argument("--docs", type=Path, help="folder for the page and its picture (that of the runs)")
    options = parser.parse_args(argv)
    from clear_pipeline.calibration import calibrate as run

    forget_sets = options.forget.split(",")
    print(f"page: {run(options.output, options.golds, forget_sets, options.seed, options.docs, Console())}")
