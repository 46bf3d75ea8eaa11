"""TOFU's rows (arXiv 2401.06121) from wherever they lie, and whose they are: TOFU names no author in a column."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clear_data.configs import FORGET, TEXT_CONFIGS
from clear_data.names import join_key
from clear_data.source import SourceRows, config_names, source_meta

from .json_lines import json_lines, require_text
from .tofu_text import MADE, ROWS_PER_AUTHOR, tofu_text_rows

Row = dict[str, Any]
FEWEST_MENTIONS = 5  # rows of an author's 20 that must name a person: others may mention somebody in passing
PERTURBED = (*(f"{forget}_perturbed" for forget in FORGET), "retain_perturbed")


def read_tofu(source: str | Path, authors: int | None = None) -> tuple[dict[str, list[Row]], str | None]:
    """Read TOFU's configs.

    Args:
        source: A folder with `qa.jsonl` and two files (see `tofu_text`), a folder with TOFU's own files (`full.json`,
            `forget01.json`, ...), a folder that `build` wrote, or a Hub id (`locuslab/TOFU`).
        authors: With `qa.jsonl`, keep so many forget authors and as many others.

    Returns:
        Rows by config, each of an author with a `name`, and what was made up, None if nothing was.

    Raises:
        FileNotFoundError: If there is no such source.
        ValueError: If a config, a column or a row's author is missing.
    """
    folder = Path(source)
    if (folder / "qa.jsonl").is_file():
        return tofu_text_rows(folder, authors), MADE
    if authors is not None:
        raise ValueError(f"authors can be chosen only from a folder with qa.jsonl, which {source} has not")
    if folder.is_dir() and not any((folder / name).exists() for name in ("full.json", "README.md")):
        raise FileNotFoundError(
            f"{folder} holds no TOFU rows: neither qa.jsonl, nor full.json and its companions, nor a built dataset"
        )
    configs: dict[str, list[Row]] = {}
    made = None
    if (folder / "full.json").is_file():
        for name in TEXT_CONFIGS:
            configs[name] = []
            for where, row in json_lines(folder / f"{name}.json"):
                require_text(row, ("question", "answer"), where)
                configs[name].append(row)
    else:
        made = (source_meta(source) or {}).get("made")
        known = config_names(source)
        if lacking := [name for name in TEXT_CONFIGS if name not in known]:
            raise ValueError(f"{source} lacks TOFU's configs {', '.join(lacking)}; it has {', '.join(known)}")
        configs = {name: list(SourceRows(source, name)) for name in TEXT_CONFIGS}
    return _with_names(configs, source), made


def _with_names(configs: dict[str, list[Row]], source: str | Path) -> dict[str, list[Row]]:
    """Give each row its author: the number of the block of 20 rows of `full` that it comes from."""
    authors = {
        (row["question"], row["answer"]): row.get("name") or f"author {number // ROWS_PER_AUTHOR:03d}"
        for number, row in enumerate(configs["full"])
    }
    for name, rows in configs.items():
        if name in ("real_authors_perturbed", "world_facts_perturbed"):
            continue
        for number, row in enumerate(rows):
            pair = (row.get("question"), row.get("answer"))
            if pair not in authors:
                raise ValueError(f"{source}, {name}, row {number}: question and answer are no row of full")
            row["name"] = authors[pair]
    return configs


def join_people(configs: dict[str, list[Row]], people: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Return the text rows of people, with their names, and wrong answers where TOFU has them.

    A row's author is a person if that is its name, or if its author's rows name one person more often than any other.
    Names are compared without regard to case, white space and Unicode's ways to write a letter.

    Args:
        configs: Of `read_tofu`.
        people: Names as the photos have them.

    Returns:
        Rows in TOFU's order, and the authors (with their first question) who are none of the people.

    Raises:
        ValueError: If two authors join to the same person.
    """
    blocks: dict[str, list[Row]] = {}
    for row in configs["full"]:
        blocks.setdefault(row["name"], []).append(row)
    wrong = {(row["question"], row["answer"]): row for config in PERTURBED for row in configs[config]}
    spelling = {join_key(name): name for name in people}
    joined: dict[str, str] = {}
    texts, strangers = [], []
    for author, rows in blocks.items():
        person = spelling.get(join_key(author)) or _most_named(rows, spelling)
        if person is None:
            strangers.append(f"{author} ({rows[0]['question']})")
            continue
        if person in joined:
            raise ValueError(f"the text rows of {joined[person]} and of {author} both seem to be about {person!r}")
        joined[person] = author
        texts += [{**wrong.get((row["question"], row["answer"]), row), "name": person} for row in rows]
    return texts, strangers


def _most_named(rows: Iterable[Row], spelling: dict[str, str]) -> str | None:
    """Return the person whom most of the rows name."""
    mentions: Counter[str] = Counter()
    for row in rows:
        words = join_key(f"{row['question']} {row['answer']}")
        # The plain search first: it is fast, and the pattern then looks for the ends of words.
        mentions.update(k for k in spelling if k in words and re.search(rf"(?<!\w){re.escape(k)}(?!\w)", words))
    ((best, count),) = mentions.most_common(1) or [("", 0)]
    return spelling[best] if count >= FEWEST_MENTIONS else None
