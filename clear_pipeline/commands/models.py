"""Commands on one model: `finetune`, `unlearn`, `evaluate`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clear_pipeline.arguments import (
    MINI_MODEL,
    DataArguments,
    EvaluateArguments,
    FinetuneArguments,
    RunArguments,
    SelectionArguments,
    SidesArguments,
    TokenArguments,
)
from trainers import METHODS

from .parser import MODEL_FLAGS, TRAINING_FLAGS, check_early, given_values, parse, show_help, wants_help


def finetune(argv: Sequence[str]) -> None:
    """Fine-tune a model: on full+tofu it becomes the original, on retain90+tofu the gold model.

    `--model_name_or_path mini` builds a small model for the dataset, to try things without a GPU.
    """
    own = (FinetuneArguments, DataArguments, RunArguments)
    if wants_help(argv) == "short":
        return show_help("finetune", str(finetune.__doc__), own, {"Model": MODEL_FLAGS, "Training": TRAINING_FLAGS})
    if not wants_help(argv):
        check_early(argv, own, "output_dir")
    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.train import FinetuneJob
    from clear_pipeline.train import finetune as run
    from trainers.retain_finetune import RetainFinetuneConfig

    rows, data, again, model, training = parse("finetune", (*own, ModelArguments, RetainFinetuneConfig), argv)
    folder = Path(training.output_dir)
    if model.model_name_or_path == MINI_MODEL:
        from clear_pipeline.base_model import base_beside

        model.model_name_or_path = str(base_beside(folder, data))
    run(FinetuneJob(folder, model, data, rows, training, again.overwrite))
    print(f"model: {folder}")
    return None


@dataclass
class MethodArguments:
    """Select the method."""

    method: str = field(default="", metadata={"help": f"One of {', '.join(METHODS)}; or your own: FILE.py:CLASS."})

    def __post_init__(self) -> None:
        """Check the name."""
        if not self.method:
            raise ValueError(f"name a method: --method with one of {', '.join(METHODS)}")
        METHODS.check(self.method)


def unlearn(argv: Sequence[str]) -> None:
    """Make the original model forget, by one method."""
    own = (MethodArguments, DataArguments, SidesArguments, SelectionArguments, RunArguments)
    if wants_help(argv) == "short":
        return show_help("unlearn", str(unlearn.__doc__), own, {"Model": MODEL_FLAGS, "Training": TRAINING_FLAGS})
    method = MethodArguments(str(given_values(argv).get("method", ""))).method
    if not wants_help(argv):
        check_early(argv, own, "output_dir")
    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.train import UnlearnJob
    from clear_pipeline.train import unlearn as run

    _, data, sides, selection, again, model, training = parse(
        "unlearn", (*own, ModelArguments, METHODS[method][1]), argv
    )
    folder = Path(training.output_dir)
    run(UnlearnJob(folder, method, model, data, training, sides, selection, again.overwrite))
    print(f"model: {folder}")
    return None


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
    from clear_pipeline.evaluate import EvaluateJob
    from clear_pipeline.evaluate import evaluate as run
    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.runs.progress import ShownProgress

    scoring, tokens, data, again, model = parse("evaluate", (*OWN, ModelArguments), argv)
    folder = Path(scoring.output)
    progress = ShownProgress("row", processes.index == 0)
    try:
        run(EvaluateJob(folder, model, data, None, scoring, tokens, again.overwrite), progress, processes)
    finally:
        progress.close()
    return folder
