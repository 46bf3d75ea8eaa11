"""`clear-unlearning`: the command line over the recipes. Flags are TRL's: snake_case, `--config x.yaml` under them.

Errors of the user end with one line that says what to do, and exit code 2.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

# What a user can mend. Anything else is a defect of ours and shows its traceback.
USER_ERRORS = (
    ValueError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    PermissionError,
    ConnectionError,
    FloatingPointError,
)
NO_SPACE = 28  # errno.ENOSPC


@dataclass
class UnlearnArguments:
    """The method."""

    method: str = field(default="", metadata={"help": "A key of METHODS."})


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


def demo(argv: Sequence[str]) -> None:
    """Runs the whole benchmark on small data."""
    parser = argparse.ArgumentParser("clear-unlearning demo", description=demo.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="folder of the run (%(default)s)")
    parser.add_argument("--corpus", default="mini", help="mini, or tofu with --tofu_dir (%(default)s)")
    parser.add_argument("--tofu_dir", type=Path, help="folder with TOFU's texts (qa.jsonl, ...)")
    parser.add_argument("--methods", help="names with commas (the four of the demo)")
    parser.add_argument("--forget", default="forget10", help="forget01, forget05 or forget10 (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of corpus, models and training (%(default)s)")
    parser.add_argument("--persons", type=int, default=40, help="fictitious people (%(default)s)")
    parser.add_argument("--photos", type=int, default=8, help="photos of each (%(default)s)")
    parser.add_argument("--authors", type=int, help="tofu: take so many authors of each side (all)")
    options = parser.parse_args(argv)
    from .demo import DEMO_METHODS, DemoArguments, run_demo
    from .scores import report_table

    methods = tuple(options.methods.split(",")) if options.methods else DEMO_METHODS
    arguments = DemoArguments(**{**vars(options), "methods": methods})
    console = Console()
    report = run_demo(arguments, console)
    console.print(report_table(report))
    console.print(f"report: {options.output / 'report.html'} (also report.md, report.json)")


def finetune(argv: Sequence[str]) -> None:
    """Fine-tunes a model: on full+tofu it becomes the original, on retain90+tofu the gold model."""
    from trl import ModelConfig, TrlParser

    from trainers.retain_finetune import RetainFinetuneConfig

    from .recipes import DataArguments, FinetuneArguments
    from .recipes import finetune as run

    parser = TrlParser((FinetuneArguments, DataArguments, ModelConfig, RetainFinetuneConfig))  # type: ignore[arg-type]
    arguments, data, model, training = parser.parse_args_and_config(list(argv))
    folder = _output(training.output_dir, "--output_dir")
    run(folder, model, data, arguments, training)
    print(f"model: {folder}")


def unlearn(argv: Sequence[str]) -> None:
    """Makes the original model forget, by one method."""
    from trl import ModelConfig, TrlParser

    from trainers import METHODS

    from .forget_request import ForgetRequest
    from .recipes import DataArguments
    from .recipes import unlearn as run

    method = _method(argv)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose one by --method: {', '.join(METHODS)}")
    arguments = (UnlearnArguments, ForgetRequest, DataArguments, ModelConfig, METHODS[method][1])
    parser = TrlParser(arguments)  # type: ignore[arg-type]
    _, request, data, model, training = parser.parse_args_and_config(list(argv))
    folder = _output(training.output_dir, "--output_dir")
    run(folder, method, model, data, training, request=request)
    print(f"model: {folder}")


def evaluate(argv: Sequence[str]) -> None:
    """Scores a model and writes its log."""
    from trl import ModelConfig, TrlParser

    from .recipes import DataArguments
    from .recipes import evaluate as run

    parser = TrlParser((EvaluateArguments, DataArguments, ModelConfig))  # type: ignore[arg-type]
    arguments, data, model = parser.parse_args_and_config(list(argv))
    folder = _output(arguments.output, "--output")
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


def score(argv: Sequence[str]) -> None:
    """Prints the numbers of a log, or whether two models differ."""
    parser = argparse.ArgumentParser("clear-unlearning score", description=score.__doc__)
    parser.add_argument("log", type=Path, help="log file, or the folder that holds it")
    parser.add_argument("other", type=Path, nargs="?", help="log of another model, to be compared with")
    parser.add_argument("--gold", help="log of the gold model, for forget quality; `auto` finds it on the Hub")
    parser.add_argument("--logs_repo", help="auto: dataset with the logs (clear-logs beside the log's own dataset)")
    parser.add_argument("--base_model", help="auto: what the model was made from, if the log does not say it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    from .scores import compare_logs, comparison_table, score_log, scores_table

    gold = options.gold
    if gold == "auto":
        from .hub_logs import find_gold

        gold, place = find_gold(options.log, options.logs_repo, options.base_model)
        print(f"gold: {place}", file=sys.stderr)
    if options.other is None:
        numbers, table = score_log(options.log, gold), scores_table
    else:
        numbers, table = compare_logs(options.log, options.other, gold), comparison_table
    if options.json:
        print(json.dumps(numbers, indent=2, allow_nan=False))
    else:
        Console().print(table(numbers))


def report(argv: Sequence[str]) -> None:
    """Writes the report of a demo's folder again, from its logs."""
    parser = argparse.ArgumentParser("clear-unlearning report", description=report.__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished demo")
    options = parser.parse_args(argv)
    from .demo import report_of
    from .scores import report_table

    Console().print(report_table(report_of(options.folder)))
    print(f"report: {options.folder / 'report.html'}")


def push_logs(argv: Sequence[str]) -> None:
    """Publishes logs of original and gold models."""
    parser = argparse.ArgumentParser("clear-unlearning push-logs", description=push_logs.__doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="folders that evaluate wrote")
    parser.add_argument("--repo_id", required=True, help="dataset on the Hub, for example ORG/clear-logs")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--role", choices=("original", "gold"), help="what the models are, if the logs do not say it")
    parser.add_argument("--base_model", help="what the models were made from, if the logs do not say it")
    options = parser.parse_args(argv)
    from .hub_logs import push_logs as run

    done = run(options.logs, options.repo_id, options.private, options.role, options.base_model)
    print(f"{done.url}: " + (f"{len(done.changed)} files sent" if done.changed else "nothing changed, no commit"))


def import_log(argv: Sequence[str]) -> None:
    """Turns open-unlearning's TOFU_EVAL.json into a log."""
    parser = argparse.ArgumentParser("clear-unlearning import-log", description=import_log.__doc__)
    parser.add_argument("file", type=Path, help="TOFU_EVAL.json")
    parser.add_argument("--output", type=Path, required=True, help="new folder of the log")
    parser.add_argument("--forget", choices=("forget01", "forget05", "forget10"), help="forget set of the evaluation")
    parser.add_argument("--model", help="model of the evaluation")
    options = parser.parse_args(argv)
    from .open_unlearning import import_log as run

    missing = run(options.file, options.output, options.forget, options.model)
    for task, tables in missing.items():
        print(f"left out: {task} ({', '.join(tables)} missing)", file=sys.stderr)
    print(f"log: {options.output}")


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "demo": demo,
    "finetune": finetune,
    "unlearn": unlearn,
    "evaluate": evaluate,
    "score": score,
    "report": report,
    "push-logs": push_logs,
    "import-log": import_log,
}


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


def _output(folder: str | None, flag: str) -> Path:
    if not folder:
        raise ValueError(f"name an output folder: {flag} FOLDER")
    return Path(folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: clear-unlearning COMMAND [--help]\n")
        for name, command in COMMANDS.items():
            print(f"  {name:<11} {command.__doc__}")
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"error: unknown command {argv[0]!r}; choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # What one library says to another about its next version is nothing to a user.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\.")
    try:
        COMMANDS[argv[0]](argv[1:])
    except USER_ERRORS as error:
        return _fail(error)
    except OSError as error:
        if error.errno != NO_SPACE:
            raise
        return _fail(error)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _fail(error: BaseException) -> int:
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    print(f"error: {' '.join(str(error).split())}{notes}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
