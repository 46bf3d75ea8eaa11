"""`clear-unlearning evaluate`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clear_pipeline.arguments import DataArguments, EvaluateArguments, RunArguments, TokenArguments

from .parser import MODEL_FLAGS, check_early, parse, show_help, wants_help

OWN = (EvaluateArguments, TokenArguments, DataArguments, RunArguments)


def evaluate(argv: Sequence[str]) -> None:
    """Score a model and write its log; under `accelerate launch`, by several processes."""
    if wants_help(argv) == "short":
        return show_help("evaluate", str(evaluate.__doc__), OWN, {"Model": MODEL_FLAGS})
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if not several and not wants_help(argv):
        check_early(argv, OWN, "output")
    from clear_unlearning.processes import Processes

    processes = Processes()
    with processes.together():
        if several:  # together, so that only one of them prints the error
            check_early(argv, OWN, "output")
        folder = _evaluate(argv, processes)
    if processes.index == 0:
        print(f"log: {folder}")
    return None


def _evaluate(argv: Sequence[str], processes: Any) -> Path:
    from tqdm.auto import tqdm

    from clear_pipeline.evaluate import EvaluateJob
    from clear_pipeline.evaluate import evaluate as run
    from clear_pipeline.model_arguments import ModelArguments

    scoring, tokens, data, again, model = parse("evaluate", (*OWN, ModelArguments), argv)
    folder = Path(scoring.output)
    bar: Any = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:  # begins when the model is there, so that rows/s and the time left are those of scoring
            bar = tqdm(initial=done, total=total, unit="row", disable=None if processes.index == 0 else True)
        bar.total = total
        bar.update(done - bar.n)

    try:
        run(EvaluateJob(folder, model, data, None, scoring, tokens, again.overwrite), progress, processes)
    finally:
        if bar is not None:
            bar.close()
    return folder
