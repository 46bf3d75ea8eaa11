"""`clear-unlearning evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .output_folder import output_folder


def evaluate(argv: Sequence[str]) -> None:
    """Scores a model and writes its log; under `accelerate launch`, by several processes."""
    from clear_unlearning.processes import Processes

    processes = Processes()
    with processes.together():
        folder = _evaluate(argv, processes)
    if processes.index == 0:
        print(f"log: {folder}")


def _evaluate(argv: Sequence[str], processes: Any) -> Path:
    from tqdm.auto import tqdm
    from trl import TrlParser

    from clear_pipeline.arguments import DataArguments, EvaluateArguments, TokenArguments
    from clear_pipeline.evaluate import EvaluateJob
    from clear_pipeline.evaluate import evaluate as run
    from clear_pipeline.model_arguments import ModelArguments

    parser = TrlParser((EvaluateArguments, TokenArguments, DataArguments, ModelArguments))  # type: ignore[arg-type]
    arguments, tokens, data, model = parser.parse_args_and_config(list(argv))
    folder = output_folder(arguments.output, "--output")
    bar: Any = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:  # begins when the model is there, so that rows/s and the time left are those of scoring
            bar = tqdm(initial=done, total=total, unit="row", disable=None if processes.index == 0 else True)
        bar.total = total
        bar.update(done - bar.n)

    try:
        run(EvaluateJob(folder, model, data, None, arguments, tokens), progress, processes)
    finally:
        if bar is not None:
            bar.close()
    return folder
