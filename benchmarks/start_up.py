"""How fast small commands answer, as a ratio to the imports that numbers need.

    python -m benchmarks.start_up ../shared/data/tofu_eval_logs/llama2-7b_full.json

Each command runs as a whole process, in turn with `python -c "import numpy, scipy.stats, pandas"`.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

IMPORTS = ["-c", "import numpy, scipy.stats, pandas"]


def seconds(argv: list[str]) -> float:
    """Return the seconds of a process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Time the commands and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="log of an evaluation")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (%(default)s)")
    options = parser.parse_args()
    commands = {
        "score LOG": ["score", str(options.log)],
        "score --help": ["score", "--help"],
        "evaluate --help": ["evaluate", "--help"],
        "unlearn --help": ["unlearn", "--help"],
        "leaderboard --help": ["leaderboard", "--help"],
    }
    found: dict[str, list[float]] = {"imports": [], **{name: [] for name in commands}}
    for _ in range(options.repeats):
        found["imports"].append(seconds(IMPORTS))
        for name, argv in commands.items():
            found[name].append(seconds(["-m", "clear_pipeline.cli", *argv]))
    print("| command | median s | of the imports |\n|---|---:|---:|")
    for name, times in found.items():
        print(f"| `{name}` | {median(times):.2f} | {median(times) / median(found['imports']):.2f}x |")


if __name__ == "__main__":
    main()
