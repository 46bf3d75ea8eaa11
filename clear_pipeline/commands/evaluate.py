"""`clear-unlearning evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .output_folder import output_folder


@dataclass
class EvaluateArguments:
    """How a model is scored."""

    output: str = field(default="", metadata={"help": "Folder of the log."})
    max_examples: int | None = field(default=None, metadata={"help": "Score the first rows of each task alone."})
    batch_size: int = field(default=16, metadata={"help": "Examples at a time; each brings all its answers."})
    seed: int = field(default=0, metadata={"help": "Draws the caption question of each row."})
    control: str = field(
        default="none", metadata={"help": "What can be answered without looking: blank (grey images) or text (none)."}
    )


def evaluate(argv: Sequence[str]) -> None:
    """Scores a model and writes its log."""
    from trl import TrlParser

    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.recipes import DataArguments
    from clear_pipeline.recipes import evaluate as run

    parser = TrlParser((EvaluateArguments, DataArguments, ModelArguments))  # type: ignore[arg-type]
    arguments, data, model = parser.parse_args_and_config(list(argv))
    folder = output_folder(arguments.output, "--output")
    from tqdm.auto import tqdm

    with tqdm(unit="row", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        run(
            folder,
            model,
            data,
            seed=arguments.seed,
            max_examples=arguments.max_examples,
            batch_size=arguments.batch_size,
            control=arguments.control,
            progress=progress,
        )
    print(f"log: {folder}")
