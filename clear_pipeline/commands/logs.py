"""Commands on logs: `score`, `report`, `import-log`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clear_data.command_line import Parser


def score(argv: Sequence[str]) -> None:
    """Print the numbers of a log, or whether two models differ."""
    parser = Parser("clear-unlearning score", description=score.__doc__)
    parser.add_argument("log", type=Path, help="log file, or the folder that holds it")
    parser.add_argument("other", type=Path, nargs="?", help="log of another model, to be compared with")
    add_references(parser)
    parser.add_argument("--paper", choices=("clear",), help="the numbers of the paper's own scripts, for old tables")
    parser.add_argument("--base_model", help="auto: what the model was made from, if the log does not say it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    from clear_pipeline.report.terminal import comparison_table, people_table, scores_table
    from evaluate_metrics.scores import compare_logs, score_log

    golds, original = references(options.log, options)
    gold, more_golds = (golds[0] if golds else None), golds[1:]
    if options.other is None:
        numbers, table = score_log(options.log, gold, more_golds, options.paper, original), scores_table
    elif len(options.gold) > 1 or options.paper or original:
        raise ValueError("two models are compared against one gold log, without --paper and --original")
    else:
        numbers, table = compare_logs(options.log, options.other, gold), comparison_table
    if options.json:
        print(json.dumps(numbers, indent=2, allow_nan=False))
    else:
        console = Console()
        console.print(table(numbers))
        if numbers.get("people"):
            console.print(people_table(numbers))


def add_references(parser: Parser) -> None:
    """Add the flags of the logs that a log is held against."""
    parser.add_argument(
        "--gold", action="append", default=[],
        help="log of the gold model, for forget quality; given again with golds of other seeds, the distance to gold "
        "(E) is known, and forget quality is calibrated; `auto` finds all that are published",
    )  # fmt: skip
    parser.add_argument(
        "--original", help="log of the original model, for what is left of its knowledge, and of whom; or `auto`"
    )
    parser.add_argument("--logs_repo", help="auto: dataset with the logs (clear-logs beside the log's own dataset)")


def references(log: Path | None, options: Any) -> tuple[list[Path], Path | None]:
    """Return the golds' logs and the original's; `auto` stands for all that are published and belong to the log."""
    originals = [] if options.original is None else [options.original]
    golds, found = (
        [place for name in given for place in (_published(log, role, options) if name == "auto" else [Path(name)])]
        for role, given in (("gold", options.gold), ("original", originals))
    )
    return golds, found[0] if found else None


def _published(log: Path | None, role: str, options: Any) -> list[Path]:
    if log is None:
        raise ValueError(f"--{role} auto finds what belongs to a log; give that by --log")
    from clear_pipeline.hub.logs import find_logs

    found = find_logs(log, role, options.logs_repo, options.base_model)
    for _, place in found:
        print(f"{role}: {place}", file=sys.stderr)
    return [place for place, _ in found]


def report(argv: Sequence[str]) -> None:
    """Write the report of a demo's folder again, from its logs."""
    parser = Parser("clear-unlearning report", description=report.__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished demo")
    parser.add_argument(
        "--add", type=Path, action="append", default=[], help="log of a further model; may be repeated"
    )
    parser.add_argument(
        "--audits", type=Path, nargs="+", default=[], metavar="FOLDER",
        help="folders of audits of these models, whose numbers become columns",
    )  # fmt: skip
    parser.add_argument("--visual", type=Path, help="folder of a finished visual run, whose table becomes a section")
    options = parser.parse_args(argv)
    from clear_pipeline.experiment.demo import report_of
    from clear_pipeline.report.terminal import report_table

    Console().print(report_table(report_of(options.folder, options.visual, options.add, options.audits)))
    print(f"report: {options.folder / 'report.html'}")


def import_log(argv: Sequence[str]) -> None:
    """Turn open-unlearning's TOFU_EVAL.json into a log."""
    parser = Parser("clear-unlearning import-log", description=import_log.__doc__)
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
