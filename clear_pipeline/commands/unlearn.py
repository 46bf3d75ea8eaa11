"""`clear-unlearning unlearn`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .output_folder import output_folder


@dataclass
class UnlearnArguments:
    """The method."""

    method: str = field(default="", metadata={"help": "A key of METHODS."})


def unlearn(argv: Sequence[str]) -> None:
    """Makes the original model forget, by one method."""
    from trl import TrlParser

    from clear_pipeline.arguments import DataArguments, SelectionArguments
    from clear_pipeline.forget_request import ForgetRequest
    from clear_pipeline.model_arguments import ModelArguments
    from clear_pipeline.train import UnlearnJob
    from clear_pipeline.train import unlearn as run
    from trainers import METHODS

    method = _method(argv)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose one by --method: {', '.join(METHODS)}")
    arguments = (UnlearnArguments, ForgetRequest, SelectionArguments, DataArguments, ModelArguments)
    parser = TrlParser((*arguments, METHODS[method][1]))  # type: ignore[arg-type]
    _, request, selection, data, model, training = parser.parse_args_and_config(list(argv))
    folder = output_folder(training.output_dir, "--output_dir")
    run(UnlearnJob(folder, method, model, data, training, request, selection))
    print(f"model: {folder}")


def _method(argv: Sequence[str]) -> str:
    """The method's name, from the command line or the YAML file: the other flags depend on it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--method")
    parser.add_argument("--config", type=Path)
    options, _ = parser.parse_known_args(argv)
    if options.method is None and options.config is not None:
        import yaml

        content = yaml.safe_load(options.config.read_text())
        return str(content.get("method", "")) if isinstance(content, dict) else ""
    return options.method or ""
