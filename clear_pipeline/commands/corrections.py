"""`clear-unlearning corrections`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def corrections(argv: Sequence[str]) -> None:
    """Shows by how much the corrections of the reference's code move the numbers of a demo."""
    parser = argparse.ArgumentParser("clear-unlearning corrections", description=corrections.__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished demo with images")
    options = parser.parse_args(argv)
    from clear_pipeline.corrections import corrections as run

    print(run(options.folder, Console(file=sys.stderr)), end="")
