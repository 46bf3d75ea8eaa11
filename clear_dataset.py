"""The front door of CLEAR's data (arXiv 2410.18057): `load_clear`, and the commands `build`, `check`, `show`, `push`.

`python clear_dataset.py build --corpus mini --output clear` writes a folder from whose parent
`load_dataset("clear", "forget05")` works literally, as it does with the published dataset on the Hub.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
from rich.console import Console
from rich.progress import Progress

from clear_data.building.build import build_corpus
from clear_data.building.folder import read_meta
from clear_data.checks import check_source, lines_of_findings, table_of_checks
from clear_data.command_line import Parser, explain
from clear_data.configs import CONFIGS, EXTRA_CONFIGS, HIDDEN_CONFIGS, TEXT_CONFIGS
from clear_data.corpora import CORPORA, OPTIONS, SOURCE_OPTIONS, Settings
from clear_data.corpora.hidden import build_hidden
from clear_data.publishing.publish import add_push, push
from clear_data.sheet import ROWS, draw_sheet
from clear_data.source import open_config

METRICS = Path(__file__).resolve().parent / "evaluate_metrics"


def load_clear(config: str, source: str | Path = "clear", revision: str | None = None, streaming: bool = False) -> Any:
    """Load the rows of a config.

    Args:
        config: A key of CONFIGS, EXTRA_CONFIGS or TEXT_CONFIGS that the source has.
        source: Folder that `build` wrote, or Hub id.
        revision: Branch, tag or commit on the Hub.
        streaming: Return an `IterableDataset` that reads row by row.

    Returns:
        The rows: a `Dataset`, or an `IterableDataset`.

    Raises:
        ValueError: If there is no such config; the message lists those that there are.
        FileNotFoundError: If there is no such folder or repository.
    """
    known = {**CONFIGS, **EXTRA_CONFIGS, **HIDDEN_CONFIGS, **TEXT_CONFIGS}
    if config not in known:
        raise ValueError(f"unknown config {config!r}; choose from {', '.join(known)}")
    folder = Path(source)
    if folder.is_dir():
        available = sorted({path.parent.name for path in folder.glob("*/*.parquet")})
        if config not in available:
            raise ValueError(f"{folder} has no config {config!r}; it has {', '.join(available) or 'none'}")
    return open_config(source, config, revision, streaming)


def _nothing(config: str) -> None:
    """Report no progress."""


def build(
    corpus: str = "mini",
    output: str | Path = "clear",
    persons: int = 40,
    photos: int = 8,
    seed: int = 0,
    overwrite: bool = False,
    written: Callable[[str], None] = _nothing,
    *,
    raw: Path | None = None,
    tofu: str | Path | None = None,
    authors: int | None = None,
    real: str | None = None,
    forget_percent: tuple[float, ...] | None = None,
    revision: str | None = None,
    with_findings: bool = False,
) -> Path:
    """Write the configs of a corpus to `output`: the 21 with the metrics, and `<output>_extra`, or TOFU's own.

    Args:
        corpus: A key of CORPORA, or a folder or Hub id in the published schema.
        output: Folder to write; its parent is made if it is missing.
        persons: mini: fictitious people in `full`.
        photos: mini: training photos of each.
        seed: mini: draws everything; raw: draws the forget sets.
        overwrite: Replace a dataset that was built before; nothing else is ever replaced.
        written: Told the name of each config once it is written.
        raw: raw: the folder of photos; see `clear_data/corpora/raw.py`.
        tofu: tofu and raw: TOFU's rows, a folder or Hub id; raw joins them to its people by name.
        authors: tofu: keep so many forget authors and as many others, all by default.
        real: raw: where real_faces and real_world come from if the folder has none.
        forget_percent: raw: shares of the people in the three forget sets.
        revision: Branch, tag or commit of a Hub id.
        with_findings: Write what does not pass the checks, and record what was found in `dataset_meta.json`.

    Returns:
        The folder.

    Raises:
        ValueError: If the corpus is unknown, a setting is out of range, or the rows do not pass the checks.
        FileNotFoundError: If a source is missing.
        FileExistsError: If a folder is there already and `overwrite` is off, or it is not a built dataset.
    """
    settings = Settings(persons, photos, seed, raw, tofu, authors, real, forget_percent, revision)
    return build_corpus(corpus, Path(output), settings, METRICS, overwrite, with_findings, written)


def build_text(tofu_dir: Path, output: Path, authors: int | None = None, overwrite: bool = False) -> Path:
    """Write TOFU's configs from TOFU's rows; what had to be made up is said in `dataset_meta.json`.

    Args:
        tofu_dir: Folder with the rows; see `clear_data/corpora/tofu.py`.
        output: Folder to write.
        authors: Keep so many forget authors and as many others; all by default.
        overwrite: Replace what is there.
    """
    return build("tofu", output, overwrite=overwrite, tofu=tofu_dir, authors=authors)


def _shares(text: str) -> tuple[float, ...]:
    """Read 1,5,10."""
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes numbers with commas, not {text!r}") from None


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.argument_default = argparse.SUPPRESS  # what is not given is left to `build`
    choices = ", ".join(CORPORA)
    add = parser.add_argument
    add("--corpus", default="mini", help=f"{choices}, or a folder or Hub id in the published schema (%(default)s)")
    add("--output", type=Path, help="folder to write (clear; tofu for text rows)")
    add("--persons", type=int, help="mini: fictitious people (40)")
    add("--photos", type=int, help="mini: photos of each (8)")
    add("--seed", type=int, help="mini: draws everything; raw: draws the forget sets (0)")
    add("--raw", type=Path, metavar="DIR", help="raw: photos with people.jsonl and qa.jsonl")
    add("--tofu", metavar="SOURCE", help="tofu, raw: TOFU's rows, a folder or Hub id")
    add("--real", metavar="SOURCE", help="raw: real_faces and real_world from there, if the folder has none")
    add("--authors", type=int, help="tofu: keep so many forget authors and as many others (all)")
    add("--forget_percent", type=_shares, metavar="1,5,10", help="raw: shares of people in the three forget sets")
    add("--revision", help="of a Hub id: branch, tag or commit")
    add("--with_findings", action="store_true", help="build what does not pass the checks, and record what was found")
    add("--overwrite", action="store_true", help="replace a dataset that was built before")


def _build(options: dict[str, Any]) -> int:
    """Build, and say where the result is and how to load it."""
    corpus = options["corpus"]
    kind = CORPORA.get(corpus)
    used = SOURCE_OPTIONS if kind is None else kind.options
    for option in OPTIONS:
        if option in options and option not in used:
            raise ValueError(f"--{option} is not used by corpus {corpus!r}, which accepts --{', --'.join(used)}")
    folder = "clear" if kind is None else kind.folder
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=None)
        report = {"written": lambda config: progress.update(task, description=f"wrote {config}")}
        place = build(**{"output": Path(folder), **options, **report})
    meta = read_meta(place) or {}
    for note in (*meta.get("notes", []), *meta.get("findings", [])):
        print(f"note: {note}")
    extra = place.parent / f"{place.name}_extra"
    beside = f" and {extra}" if folder == "clear" and extra.exists() else ""
    print(f"Built {place} ({len(meta['configs'])} configs){beside}. In {place.resolve().parent}:")
    print("    from datasets import load_dataset")
    print(f'    rows = load_dataset("{place.name}", "forget05", split="train")')
    return 0


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="PATH-OR-HUB-ID", help="folder that build wrote, or dataset on the Hub")
    parser.add_argument("--revision", help="branch, tag or commit on the Hub")


def _check(options: dict[str, Any]) -> int:
    """Check, and show what holds; 1 if something does not."""
    reports = check_source(**options)
    for source, found in reports.items():
        Console().print(table_of_checks(found, source))
        for line in lines_of_findings(found):
            print(line)
    return int(any(findings for found in reports.values() for findings in found.values()))


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="PATH-OR-HUB-ID", help="folder that build wrote, or dataset on the Hub")
    parser.add_argument("--output", type=Path, default=Path("configs.png"), help="picture to write (%(default)s)")
    parser.add_argument("--revision", help="branch, tag or commit on the Hub")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each config (%(default)s)")


def _show(options: dict[str, Any]) -> int:
    """Draw, and say where the picture is."""
    shown = draw_sheet(**options)
    print(f"{options['output']}: some rows of {len(shown)} configs")
    return 0


def _add_hidden(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="PATH", help="built mini dataset")
    parser.add_argument("--secret_file", type=Path, required=True, help="file with a secret text, which draws all")
    parser.add_argument("--output", type=Path, default=Path("clear_hidden"), help="folder to write (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what was built before")


def _hidden(options: dict[str, Any]) -> int:
    """Build hidden items for a leaderboard, and says where they are."""
    try:
        secret = options["secret_file"].read_text().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"--secret_file {options['secret_file']} is not a text in UTF-8: {error}") from None
    place = build_hidden(options["source"], secret, options["output"], options["overwrite"], _nothing)
    rows = (read_meta(place) or {})["configs"]["hidden"]["rows"]
    print(f"Built {place} ({rows} items). Keep it to yourself.")
    return 0


def _push(options: dict[str, Any]) -> int:
    """Publish, and print what was done with each repository."""
    for line in push(**options, metrics_root=METRICS):
        print(line)
    return 0


# name -> what it does, its arguments, and the function that runs it and returns the exit code
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[dict[str, Any]], int]]] = {
    "build": ("write the configs as a folder", _add_build, _build),
    "check": ("say what holds of a dataset and what does not", _add_check, _check),
    "show": ("draw some rows of each config as one picture", _add_show, _show),
    "hidden": ("build hidden items for a leaderboard's keeper", _add_hidden, _hidden),
    "push": ("publish a built folder on the Hub", add_push, _push),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, 1 if a check fails, 2 on bad input."""
    parser = Parser("clear_dataset.py", description="CLEAR's data.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (what, add_arguments, _) in COMMANDS.items():
        add_arguments(commands.add_parser(name, help=what))
    datasets.disable_progress_bars()
    try:
        options = vars(parser.parse_args(argv))
        return COMMANDS[options.pop("command")][2](options)
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what is not named above was not done", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
