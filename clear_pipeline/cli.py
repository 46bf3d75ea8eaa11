"""`clear-unlearning`: the command line. Flags are in snake_case as in TRL; `--config x.yaml` gives defaults for them.

Each command is a function of a file in `commands/` and a row of COMMANDS. An error of the user ends with exit code 2
and one line that says what to do.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from clear_data.command_line import explain, nearest

# name -> (module, what it does); the function has the command's name, and its module is imported when it is used.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("clear_pipeline.commands.experiment", "Run the whole benchmark on small data."),
    "finetune": ("clear_pipeline.commands.models", "Fine-tune a model: original on full+tofu, gold on retain90+tofu."),
    "unlearn": ("clear_pipeline.commands.models", "Make the original model forget, by one method."),
    "evaluate": ("clear_pipeline.commands.models", "Score a model and write its log."),
    "audit": ("clear_pipeline.commands.audit", "Try whether a model has really forgotten; a verdict on one page."),
    "abilities": ("clear_pipeline.commands.abilities", "Score general abilities by tasks of lm-eval (mmlu, ...)."),
    "score": ("clear_pipeline.commands.logs", "Print the numbers of a log, or whether two models differ."),
    "report": ("clear_pipeline.commands.logs", "Write the report of a demo again, from its logs."),
    "table": ("clear_pipeline.commands.experiment", "Run all methods of a recipe, write the paper's tables."),
    "push": ("clear_pipeline.commands.hub", "Publish a model with its card."),
    "push-logs": ("clear_pipeline.commands.hub", "Publish the logs of original and gold models."),
    "import-log": ("clear_pipeline.commands.logs", "Read the log of another suite."),
    "visual": ("clear_pipeline.commands.visual", "Run the visual track: demo, run, report, score."),
    "leaderboard": ("leaderboard_worker.keeper_commands", "Serve, publish and maintain a leaderboard."),
    "submit": ("leaderboard_worker.commands", "Submit a model on the Hub to a leaderboard."),
    "worker": ("leaderboard_worker.commands", "Score what was submitted to a leaderboard."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: clear-unlearning COMMAND [--help]\n")
        for name, (_, what) in COMMANDS.items():
            print(f"  {name:<11} {what}")
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        hint = nearest(argv[0], COMMANDS)
        print(f"error: unknown command {argv[0]!r}{hint or ';'} choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.stderr.isatty():  # a log file gets lines, no bars; read when the libraries are imported
        for name in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
            os.environ.setdefault(name, "1")
    # Warnings of one library about another's next version do not help a user.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\.")
    try:
        module, _ = COMMANDS[argv[0]]
        getattr(import_module(module), argv[0].replace("-", "_"))(argv[1:])
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command to resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
