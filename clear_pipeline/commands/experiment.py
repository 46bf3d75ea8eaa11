"""Commands that run the whole benchmark: `demo`, `table`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clear_data.command_line import Parser
from clear_pipeline.audits import AUDITS, chosen_audits


def demo(argv: Sequence[str]) -> None:
    """Run the whole benchmark on small data."""
    parser = Parser("clear-unlearning demo", description=demo.__doc__)
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
    sys.stderr.write(f"loading the libraries; results go into {options.output}\n")
    from clear_pipeline.experiment.demo import DEMO_METHODS, DemoArguments, run_demo
    from clear_pipeline.report.terminal import report_table

    methods = tuple(options.methods.split(",")) if options.methods else DEMO_METHODS
    arguments = DemoArguments(**{**vars(options), "methods": methods})
    console = Console()
    report = run_demo(arguments, Console(stderr=True))
    console.print(report_table(report))
    console.print(f"report: {options.output / 'report.html'} (also report.md, report.json)")


def table(argv: Sequence[str]) -> None:
    """Run all methods of a recipe over seeds and modalities, and write the paper's tables."""
    parser = Parser("clear-unlearning table", description=table.__doc__)
    parser.add_argument("--recipe", required=True, help="YAML file, or the name of one of recipes/: mini, ...")
    parser.add_argument("--output", type=Path, default=Path("runs/table"), help="folder of all runs (%(default)s)")
    parser.add_argument("--methods", help="names with commas (all of the recipe)")
    parser.add_argument("--seeds", help="numbers with commas (those of the recipe)")
    parser.add_argument("--modalities", help="rows to forget: both, text, image, with commas; the first one in `main`")
    parser.add_argument(
        "--audits",
        help=f"audit the models of `main` too, as further columns: names with commas of {', '.join(AUDITS)}",
    )
    parser.add_argument("--tofu_dir", type=Path, help="the recipe tofu: folder with TOFU's texts")
    parser.add_argument("--bases", type=Path, help="folder of pretrained mini bases (`bases` beside --output)")
    parser.add_argument("--workers", type=int, help="runs at a time (one a processor; one on an accelerator)")
    parser.add_argument("--executor", default="local", help="what runs the steps (%(default)s)")
    parser.add_argument("--tune", action="store_true", help="search settings, and write a recipe with them")
    parser.add_argument("--dry_run", action="store_true", help="check all names and estimate; load no weights")
    options = parser.parse_args(argv)
    sys.stderr.write(f"loading the libraries; results go into {options.output}\n")
    from clear_pipeline.experiment.recipe import read_recipe
    from clear_pipeline.experiment.table import chosen_recipe, run_table

    seeds = [_number(seed) for seed in options.seeds.split(",")] if options.seeds else None
    methods, modalities = (value.split(",") if value else None for value in (options.methods, options.modalities))
    audits = chosen_audits(options.audits) if options.audits else ()
    recipe = chosen_recipe(read_recipe(options.recipe), methods, seeds, modalities, options.tofu_dir)
    console = Console()
    running: dict[str, Any] = {
        "workers": options.workers,
        "bases": options.bases,
        **({} if options.executor == "local" else {"executor": options.executor}),
    }
    if options.dry_run:
        from clear_pipeline.experiment.dry_run import estimate_table

        for part in estimate_table(recipe):
            console.print(part, soft_wrap=True)
    elif options.tune:
        from clear_pipeline.experiment.tuning import run_tuning

        written, _ = run_tuning(recipe, options.output, Console(stderr=True), **running)
        console.print((options.output / "tune.md").read_text(), markup=False)
        console.print(f"recipe with the chosen settings: {written}")
    else:
        from clear_pipeline.report.terminal import report_table

        rows = run_table(recipe, options.output, Console(stderr=True), audits=audits, **running)
        console.print(report_table({"forget": recipe.forget, "rows": rows["main"]}))
        console.print(f"tables: {options.output / 'report.html'} (also main.md, .csv, .tex and modality.*)")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--seeds takes whole numbers with commas, not {text!r}") from None
