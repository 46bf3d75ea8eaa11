"""`clear-unlearning visual`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clear_data.command_line import Parser


def visual(argv: Sequence[str]) -> None:
    """Run the visual track: demo, run --recipe, report, score."""
    parser = Parser("clear-unlearning visual", description=visual.__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    demo = verbs.add_parser("demo", help="faces, small models, all methods, both attacks")
    demo.add_argument("--output", type=Path, default=Path("runs/visual"), help="folder of the run (%(default)s)")
    demo.add_argument("--methods", help="names with commas, original and gold among them (all)")
    demo.add_argument("--forget", default="forget10", help="forget01, forget05 or forget10 (%(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="of corpus, splits and training (%(default)s)")
    demo.add_argument("--models", type=int, default=16, help="splits, each with all methods (%(default)s)")
    demo.add_argument("--persons", type=int, default=40, help="fictitious people (%(default)s)")
    demo.add_argument("--photos", type=int, default=12, help="photos of each (%(default)s)")
    run = verbs.add_parser("run", help="the same by a recipe")
    run.add_argument("--recipe", type=Path, required=True, help="YAML file, for example recipes/visual-paper.yaml")
    run.add_argument("--output", type=Path, help="folder of the run (that of the recipe)")
    run.add_argument("--dry_run", action="store_true", help="say what it costs, and do nothing")
    for verb in (demo, run):
        verb.add_argument(
            "--executor", default="local", help="local, or ray: RAY_ADDRESS names the cluster (%(default)s)"
        )
        verb.add_argument("--workers", type=int, help="local: processes at a time (one a processor, at most 4)")
    report = verbs.add_parser("report", help="write the report of a finished run again")
    report.add_argument("folder", type=Path)
    score = verbs.add_parser("score", help="attack published logits, of a run's folder or a parquet file")
    score.add_argument("logits", type=Path)
    score.add_argument("--sigma", default="example", help="of U-LIRA: example or shared (%(default)s)")
    score.add_argument("--classifier", default="tree", help="of U-MIA: tree or logistic (%(default)s)")
    score.add_argument("--enrolment_photos", action="store_true", help="attack these too, as the reference does")
    options = vars(parser.parse_args(argv))
    {"demo": _demo, "run": _run, "report": _report, "score": _score}[options.pop("verb")](options)


def _demo(options: dict[str, Any]) -> None:
    from clear_pipeline.visual.arguments import demo_arguments

    methods, executor, workers = (options.pop(name) for name in ("methods", "executor", "workers"))
    if methods:
        options["methods"] = tuple(methods.split(","))
    _train(demo_arguments(**options), executor, workers)


def _run(options: dict[str, Any]) -> None:
    from clear_pipeline.visual.arguments import read_recipe

    arguments = read_recipe(options["recipe"], options["output"])
    if not options["dry_run"]:
        _train(arguments, options["executor"], options["workers"])
        return
    from clear_pipeline.visual.dry_run import cost_lines, costs, seconds_an_image

    print("\n".join(cost_lines(arguments, costs(arguments), seconds_an_image(arguments))))


def _train(arguments: Any, executor: str, workers: int | None) -> None:
    from clear_pipeline.visual.run import run_visual

    _show(run_visual(arguments, Console(stderr=True), executor, workers), Console())
    print(f"report: {arguments.output / 'report.html'} (also report.md, report.json, histograms.png)")
    print(f"logits: {arguments.output / 'shadow_logits.parquet'}")


def _report(options: dict[str, Any]) -> None:
    from clear_pipeline.visual.run import report_of

    _show(report_of(options["folder"]), Console())
    print(f"report: {options['folder'] / 'report.html'}")


def _show(report: dict[str, Any], console: Console) -> None:
    from clear_pipeline.visual.report import cells
    from evaluate_metrics.face_scores import COLUMNS

    table = Table("method", *COLUMNS)
    for row in report["rows"]:
        table.add_row(row["name"], *cells(row))
    console.print(table)


def _score(options: dict[str, Any]) -> None:
    from clear_pipeline.visual.scores import attack, read_logits

    logits = read_logits(options["logits"])
    table = Table("method", "attack", "accuracy", "95 % interval", "AUC", "TPR at 1 %", "TPR at .1 %")
    for method in dict.fromkeys(logits["method"].to_pylist()):
        found = attack(logits, method, options["sigma"], options["enrolment_photos"], options["classifier"])
        for name, values in found.items():
            interval = values["intervals"].get(name)
            between = f"{interval[0]:.3f} – {interval[1]:.3f}" if interval else "–"
            keys = ("auc", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001")
            table.add_row(method, name, f"{values[name]:.3f}", between, *(f"{values[key]:.3f}" for key in keys))
    Console().print(table)
