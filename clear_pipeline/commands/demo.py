"""`clear-unlearning demo`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def demo(argv: Sequence[str]) -> None:
    """Run the whole benchmark on small data."""
    parser = argparse.ArgumentParser("clear-unlearning demo", description=demo.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="folder of the run (%(default)s)")
    parser.add_argument("--corpus", default="mini", help="mini, or tofu with --tofu_dir (%(default)s)")
    parser.add_argument("--tofu_dir", type=Path, help="folder with TOFU's texts (qa.jsonl, ...)")
    parser.add_argument("--methods", help="names with commas (the four of the demo)")
    parser.add_argument("--forget", default="forget10", help="forget01, forget05 or forget10 (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of corpus, models and training (%(default)s)")
    parser.add_argument("--persons", type=int, default=40, help="fictitious people (%(default)s)")
    parser.add_argument("--photos", type=int, default=8, help="photos of each (%(default)s)")
    parser.add_argument("--bases", type=Path, help="folder of pretrained mini bases (`bases` beside --output)")
    parser.add_argument("--authors", type=int, help="tofu: take so many authors of each side (all)")
    options = parser.parse_args(argv)
    from clear_pipeline.experiment.demo import DEMO_METHODS, DemoArguments, run_demo
    from clear_pipeline.report.terminal import report_table

    methods = tuple(options.methods.split(",")) if options.methods else DEMO_METHODS
    arguments = DemoArguments(**{**vars(options), "methods": methods})
    console = Console()
    report = run_demo(arguments, Console(stderr=True))
    console.print(report_table(report))
    console.print(f"report: {options.output / 'report.html'} (also report.md, report.json)")
