"""`clear-unlearning`: the command line over the recipes. Flags are TRL's: snake_case, `--config x.yaml` under them.

Each command is a file of `commands/` and a line in COMMANDS. Errors of the user end with one line that says what to
do, and exit code 2.
"""

import os
import sys
import warnings
from collections.abc import Callable, Sequence

from .commands.demo import demo
from .commands.evaluate import evaluate
from .commands.finetune import finetune
from .commands.import_log import import_log
from .commands.leaderboard import leaderboard
from .commands.push_logs import push_logs
from .commands.report import report
from .commands.score import score
from .commands.submit import submit
from .commands.unlearn import unlearn
from .commands.worker import worker

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

COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "demo": demo,
    "finetune": finetune,
    "unlearn": unlearn,
    "evaluate": evaluate,
    "score": score,
    "report": report,
    "push-logs": push_logs,
    "import-log": import_log,
    "leaderboard": leaderboard,
    "submit": submit,
    "worker": worker,
}


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
