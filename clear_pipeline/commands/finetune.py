"""`clear-unlearning finetune`."""

from collections.abc import Sequence
from pathlib import Path

from clear_pipeline.arguments import DataArguments, FinetuneArguments, RunArguments

from .parser import MODEL_FLAGS, TRAINING_FLAGS, check_early, parse, show_help, wants_help


def finetune(argv: Sequence[str]) -> None:
    """Fine-tune a model: on full+tofu it becomes the original, on retain90+tofu the gold model."""
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
    run(FinetuneJob(folder, model, data, rows, training, again.overwrite))
    print(f"model: {folder}")
    return None
