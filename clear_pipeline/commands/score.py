"""`clear-unlearning score`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def score(argv: Sequence[str]) -> None:
    """Print the numbers of a log, or whether two models differ."""
    parser = argparse.ArgumentParser("clear-unlearning score", description=score.__doc__)
    parser.add_argument("log", type=Path, help="log file, or the folder that holds it")
    parser.add_argument("other", type=Path, nargs="?", help="log of another model, to be compared with")
    parser.add_argument(
        "--gold", action="append", default=[],
        help="log of the gold model, for forget quality; `auto` finds it on the Hub; given again with golds of other "
        "seeds, the distance to gold (E) is known, and forget quality is calibrated",
    )  # fmt: skip
    parser.add_argument("--original", help="log of the original model, for what is left of its knowledge, and of whom")
    parser.add_argument("--paper", choices=("clear",), help="the numbers of the paper's own scripts, for old tables")
    parser.add_argument("--logs_repo", help="auto: dataset with the logs (clear-logs beside the log's own dataset)")
    parser.add_argument("--base_model", help="auto: what the model was made from, if the log does not say it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    from clear_pipeline.report.terminal import comparison_table, people_table, scores_table
    from evaluate_metrics.scores import compare_logs, score_log

    gold: str | Path | None = options.gold[0] if options.gold else None
    more_golds: list[str | Path] = options.gold[1:]
    if gold == "auto":
        from clear_pipeline.hub.logs import find_gold

        gold, place = find_gold(options.log, options.logs_repo, options.base_model)
        print(f"gold: {place}", file=sys.stderr)
    if options.other is None:
        numbers, table = score_log(options.log, gold, more_golds, options.paper, options.original), scores_table
    elif more_golds or options.paper or options.original:
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
