"""The front door of CLEAR's data (arXiv 2410.18057): the table of configs, `load_clear`, and the `build` command.

`python clear_dataset.py build --corpus mini --output clear` writes a folder from whose parent
`load_dataset("clear", "forget05")` works literally, as it does with the published dataset on the Hub.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, Features, IterableDataset
from rich.console import Console
from rich.progress import Progress

from clear_data import schema
from clear_data.folder import write_configs
from clear_data.metric_folders import copy_metric
from clear_data.mini import Dials, mini_rows
from clear_data.new_folders import new_folders
from clear_data.push_command import push_command
from clear_data.tofu_text import MADE, tofu_text_rows


@dataclass(frozen=True)
class Config:
    """A row of the table: the columns of a config and what it holds."""

    features: Features
    what: str


def _splits(kind: str) -> dict[str, Config]:
    """forget01 ... retain90 with their text rows: the 12 configs that partition the people."""
    table = {}
    for percent in ("01", "05", "10"):
        retain = f"retain{100 - int(percent)}"
        table[f"forget{percent}"] = Config(schema.PHOTOS, f"photos of the {percent} % to forget")
        table[retain] = Config(schema.PHOTOS, f"photos of everybody but forget{percent}")
        table[f"forget{percent}+tofu"] = Config(schema.PHOTOS_AND_TEXT, f"forget{percent} with its text rows")
        table[f"{retain}+tofu"] = Config(schema.PHOTOS_AND_TEXT, f"{retain} with its text rows")
    return table


CONFIGS: dict[str, Config] = {
    "default": Config(schema.PHOTOS, "the same as full"),
    "full": Config(schema.PHOTOS, "photos of all fictitious people"),
    "full+tofu": Config(schema.PHOTOS_AND_TEXT, "photos and text rows of all fictitious people"),
    **_splits("photos"),
    "forget01_perturbed": Config(schema.PERTURBED, "forget01 with paraphrase, wrong captions and wrong names"),
    "forget05_perturbed": Config(schema.PERTURBED, "forget05 with paraphrase, wrong captions and wrong names"),
    "forget10_perturbed": Config(schema.PERTURBED, "forget10 with paraphrase, wrong captions and wrong names"),
    "retain_perturbed": Config(schema.PERTURBED, "some of retain90 with paraphrase, wrong captions and wrong names"),
    "real_faces": Config(schema.OPTIONS, "questions about celebrities"),
    "real_world": Config(schema.OPTIONS, "questions about the world"),
}
EXTRA_CONFIGS: dict[str, Config] = {
    "base": Config(schema.PHOTOS_AND_TEXT, "what the base model knows: other people, celebrities, world, refusals"),
    "people": Config(schema.PERTURBED, "people that no model was trained on"),
    "people_text": Config(schema.TEXT_PERTURBED, "text rows of these"),
    "photos": Config(schema.PERTURBED, "photos of everybody that no model was trained on"),
    "selection": Config(schema.PERTURBED, "further photos of everybody, for choosing settings"),
    "retain_text": Config(schema.TEXT_PERTURBED, "text rows of retain90 with wrong answers"),
    "forget01_text": Config(schema.TEXT_PERTURBED, "text rows of forget01 with wrong answers"),
    "forget05_text": Config(schema.TEXT_PERTURBED, "text rows of forget05 with wrong answers"),
    "forget10_text": Config(schema.TEXT_PERTURBED, "text rows of forget10 with wrong answers"),
}
TEXT_CONFIGS: dict[str, Config] = {
    "full": Config(schema.TEXT_ROWS, "questions about all authors"),
    **{f"forget{p}": Config(schema.TEXT_ROWS, f"authors of the {p} % to forget") for p in ("01", "05", "10")},
    **{f"retain{p}": Config(schema.TEXT_ROWS, "everybody else") for p in ("99", "95", "90")},
    **{f"forget{p}_perturbed": Config(schema.TEXT_PERTURBED, "with wrong answers") for p in ("01", "05", "10")},
    "retain_perturbed": Config(schema.TEXT_PERTURBED, "some of retain90 with wrong answers"),
    "real_authors_perturbed": Config(schema.TEXT_OPTIONS, "questions about real authors"),
    "world_facts_perturbed": Config(schema.TEXT_OPTIONS, "questions about the world"),
}
CORPORA = ("mini",)


def load_clear(config: str, source: str | Path = "clear", revision: str | None = None, streaming: bool = False) -> Any:
    """Loads a config.

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
    known = {**CONFIGS, **EXTRA_CONFIGS, **TEXT_CONFIGS}
    if config not in known:
        raise ValueError(f"unknown config {config!r}; choose from {', '.join(known)}")
    folder = Path(source)
    if folder.is_dir():
        available = sorted({path.parent.name for path in folder.glob("*/*.parquet")})
        if config not in available:
            raise ValueError(f"{folder} has no config {config!r}; it has {', '.join(available) or 'none'}")
    elif folder.is_absolute() or str(source).count("/") != 1 or str(source).startswith("."):
        raise FileNotFoundError(f"{source} is neither a folder with the data nor a Hub id; `build` writes one")
    path = str(folder.resolve()) if folder.is_dir() else str(source)
    try:
        rows: Dataset | IterableDataset = datasets.load_dataset(
            path, config, split="train", revision=revision, streaming=streaming
        )  # type: ignore[assignment]
    except (FileNotFoundError, ConnectionError) as error:
        if folder.is_dir():
            raise
        raise FileNotFoundError(f"{source} is no folder here, nor does the Hub give it: {error}") from error
    return rows


def _write(
    folder: Path,
    table: dict[str, Config],
    rows: dict[str, Any],
    title: str,
    meta: dict[str, Any],
    written: Callable[[str], None],
) -> None:
    header = {
        "pretty_name": title,
        "license": "cc-by-nc-4.0" if meta["corpus"] == "published" else "apache-2.0",
        "language": ["en"],
        "tags": ["machine unlearning", "fictitious people"],
    }
    lines = [f"| `{name}` | {len(rows[name])} | {config.what} |" for name, config in table.items()]
    card = "\n".join(
        [
            f"# {title}",
            "",
            "The people are fictitious. Made by `python clear_dataset.py build`; see `dataset_meta.json`.",
            "",
            "| config | rows | what |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )
    folder.mkdir(parents=True)
    configs = {name: (config.features, rows[name]) for name, config in table.items()}
    write_configs(folder, configs, card, header, meta, written)


def _nothing(config: str) -> None:
    """Reports no progress."""


def build(
    corpus: str = "mini",
    output: str | Path = "clear",
    persons: int = 40,
    photos: int = 8,
    seed: int = 0,
    overwrite: bool = False,
    written: Callable[[str], None] = _nothing,
) -> Path:
    """Writes the 21 configs and the metrics to `output` and what belongs beside them to `<output>_extra`.

    Args:
        corpus: One of CORPORA.
        output: Folder to write; its parent is made if it is missing.
        persons: Fictitious people in `full`.
        photos: Training photos of each.
        seed: Draws everything.
        overwrite: Replace a dataset that was built before; nothing else is ever replaced.
        written: Told the name of each config once it is written.

    Returns:
        The folder.

    Raises:
        ValueError: If the corpus is unknown or a dial is out of range.
        FileExistsError: If a folder is there already and `overwrite` is off, or it is no built dataset.
    """
    if corpus not in CORPORA:
        raise ValueError(f"unknown corpus {corpus!r}; choose from {', '.join(CORPORA)}")
    dials = Dials(persons=persons, photos=photos, seed=seed)
    place = Path(output)
    meta = {"corpus": corpus, "settings": {"persons": persons, "photos": photos, "seed": seed}}
    with new_folders([place, place.parent / f"{place.name}_extra"], overwrite) as (part, extra_part):
        configs, extra = mini_rows(dials)
        _write(part, CONFIGS, configs, "CLEAR mini", meta, written)
        metrics = Path(__file__).parent / "evaluate_metrics"
        for metric in sorted(path.parent for path in metrics.glob("*/README.md")):
            copy_metric(metric.name, metrics, part / metric.name)
        title = "CLEAR mini: what must not be trained on or scored by accident"
        _write(extra_part, EXTRA_CONFIGS, extra, title, meta, written)
    return place


def build_text(tofu_dir: Path, output: Path, authors: int | None = None, overwrite: bool = False) -> Path:
    """Writes TOFU's configs from a folder of plain files; what had to be made up is said in `dataset_meta.json`.

    Args:
        tofu_dir: Holds qa.jsonl and the two *_perturbed.json files.
        output: Folder to write.
        authors: Keep so many forget authors and as many others; all by default.
        overwrite: Replace what is there.
    """
    meta = {"corpus": "tofu", "settings": {"authors": authors}, "made": MADE}
    with new_folders([output], overwrite) as (part,):
        _write(part, TEXT_CONFIGS, tofu_text_rows(tofu_dir, authors), "TOFU text rows", meta, _nothing)
    return output


def push(argv: Sequence[str]) -> int:
    """Publishes a built folder, says what was done, and returns the exit code."""
    tables = [
        {name: config.what for name, config in table.items()} for table in (CONFIGS, EXTRA_CONFIGS, TEXT_CONFIGS)
    ]
    try:
        for line in push_command(argv, tables, Path(__file__).parent / "evaluate_metrics"):
            print(line)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what is not named above was not pushed", file=sys.stderr)
        return 130
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["push"]:
        return push(argv[1:])
    parser = argparse.ArgumentParser("clear_dataset.py", description="CLEAR's data.")
    commands = parser.add_subparsers(dest="command", required=True)
    build_parser = commands.add_parser("build", help="write the configs as a folder")
    build_parser.add_argument("--corpus", default="mini", help=f"one of: {', '.join(CORPORA)} (%(default)s)")
    build_parser.add_argument("--output", type=Path, default=Path("clear"), help="folder to write (%(default)s)")
    build_parser.add_argument("--persons", type=int, default=40, help="mini: fictitious people (%(default)s)")
    build_parser.add_argument("--photos", type=int, default=8, help="mini: photos of each (%(default)s)")
    build_parser.add_argument("--seed", type=int, default=0, help="mini: draws everything (%(default)s)")
    build_parser.add_argument("--overwrite", action="store_true", help="replace the folder if it is there")
    commands.add_parser("push", help="publish a built folder on the Hub")
    options = vars(parser.parse_args(argv))
    options.pop("command")
    datasets.disable_progress_bars()
    try:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("drawing and writing", total=len(CONFIGS) + len(EXTRA_CONFIGS))
            place = build(**options, written=lambda config: progress.advance(task))
    except (ValueError, FileExistsError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    print(f"Built {place} (the 21 configs) and {place}_extra. In {place.resolve().parent}:")
    print("    from datasets import load_dataset")
    print(f'    rows = load_dataset("{place.name}", "forget05", split="train")')
    return 0


if __name__ == "__main__":
    sys.exit(main())
