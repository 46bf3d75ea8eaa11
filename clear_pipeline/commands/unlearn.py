"""`clear-unlearning unlearn`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clear_pipeline.arguments import DataArguments, ForgetRequest, RunArguments, SelectionArguments
from trainers import METHODS

from .parser import MODEL_FLAGS, TRAINING_FLAGS, check_early, given_values, parse, show_help, wants_help


@dataclass
class MethodArguments:
    """Select the method."""

    method: str = field(default="", metadata={"help": f"One of {', '.join(METHODS)}."})

    def __post_init__(self) -> None:
        """Check the name."""
        if not self.method:
            raise ValueError(f"name a method: --method with one of {', '.join(METHODS)}")
        METHODS.check(self.method)


def unlearn(argv: Sequence[str]) -> None:
    """Make the original model forget, by one method."""
    own = (MethodArguments, DataArguments, ForgetRequest, SelectionArguments, RunArguments)
    if wants_help(argv) == "short":
        return show_help("unlearn", str(unlearn.__doc__), own, {"Model": MODEL_FLAGS, "Training": TRAINING_FLAGS})
    method = MethodArguments(str(given_values(argv).get("method", ""))).method
    if not wants_help(argv):
        check_early(argv, own, "output_dir")
    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.train import UnlearnJob
    from clear_pipeline.train import unlearn as run

    _, data, request, selection, again, model, training = parse(
        "unlearn", (*own, ModelArguments, METHODS[method][1]), argv
    )
    folder = Path(training.output_dir)
    run(UnlearnJob(folder, method, model, data, training, request, selection, again.overwrite))
    print(f"model: {folder}")
    return None
