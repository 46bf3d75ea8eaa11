"""`clear-unlearning evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .output_folder import output_folder


@dataclass
class EvaluateArguments:
    """How a model is scored."""

    output: str = field(default="", metadata={"help": "Folder of the log."})
    max_examples: int | None = field(default=None, metadata={"help": "Score the first rows of each task alone."})
    batch_size: int = field(default=16, metadata={"help": "Examples at a time; each brings all its answers."})
    seed: int = field(default=0, metadata={"help": "Draws the caption question of each row."})
    selection: str | None = field(
        default=None, metadata={"help": "Ask about the photos of the config selection of this folder or Hub id."}
    )
    control: str = field(
        default="none", metadata={"help": "What can be answered without looking: blank (grey images) or text (none)."}
    )


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

    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.recipes import DataArguments
    from clear_pipeline.recipes import evaluate as run
    from clear_pipeline.token_level import TokenArguments

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
        run(
            folder,
            model,
            data,
            seed=arguments.seed,
            max_examples=arguments.max_examples,
            batch_size=arguments.batch_size,
            control=arguments.control,
            progress=progress,
            tokens=tokens,
            processes=processes,
            selection=arguments.selection,
        )
    finally:
        if bar is not None:
            bar.close()
    return folder
