"""`clear-unlearning finetune`."""

from collections.abc import Sequence

from .output_folder import output_folder


def finetune(argv: Sequence[str]) -> None:
    """Fine-tunes a model: on full+tofu it becomes the original, on retain90+tofu the gold model."""
    from trl import TrlParser

    from clear_pipeline.arguments import DataArguments, FinetuneArguments
    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.train import FinetuneJob
    from clear_pipeline.train import finetune as run
    from trainers.retain_finetune import RetainFinetuneConfig

    parser = TrlParser((FinetuneArguments, DataArguments, ModelArguments, RetainFinetuneConfig))  # type: ignore[arg-type]
    arguments, data, model, training = parser.parse_args_and_config(list(argv))
    folder = output_folder(training.output_dir, "--output_dir")
    run(FinetuneJob(folder, model, data, arguments, training))
    print(f"model: {folder}")
