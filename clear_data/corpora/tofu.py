"""TOFU's rows (arXiv 2401.06121) from wherever they lie, and whose they are: TOFU names no author in a column.

A folder of plain files holds `qa.jsonl` (split, question, answer; 20 rows an author), `real_authors_perturbed.json`
and `world_facts_perturbed.json` (question, answer, perturbed_answer), a JSON object a line. The question-answer pairs
come without wrong answers and paraphrases: wrong answers are made here, from other authors' answers to the most
similar questions, and the answer itself stands for its paraphrase. `MADE` says so in metadata and report.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from clear_data.configs import FORGET, RETAIN_OF, TEXT_CONFIGS
from clear_data.names import join_key
from clear_data.source import SourceRows, config_names, source_meta
from clear_data.splits import SCORED_RETAIN

from .raw import json_lines, require_text

Row = dict[str, Any]
FEWEST_MENTIONS = 5  # rows of an author's 20 that must name a person: others may mention somebody in passing
PERTURBED = (*(f"{forget}_perturbed" for forget in FORGET), "retain_perturbed")
ROWS_PER_AUTHOR = 20
WRONG_ANSWERS = 5
FORGET_ROWS = {"forget01": 40, "forget05": 200, "forget10": 400}  # the last rows of the forget authors, as in TOFU
MADE = (
    "Forget and retain rows: the wrong answers are made (other authors' answers to the most similar questions by "
    "TF-IDF), and the right answer stands for its paraphrase, since the source has neither."
)


def read_tofu(source: str | Path, authors: int | None = None) -> tuple[dict[str, list[Row]], str | None]:
    """Read TOFU's configs.

    Args:
        source: A folder with `qa.jsonl` and two files (see above), a folder with TOFU's own files (`full.json`,
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


def read_lines(path: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a JSON object or lacks a column; the line is named.
    """
    rows = []
    for where, row in json_lines(path):
        missing = [column for column in columns if not row.get(column)]
        if missing:
            raise ValueError(f"{where}: needs {', '.join(columns)}; missing or empty: {missing}")
        rows.append(row)
    return rows


def similar_answers(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return the wrong answers for each row: those of other authors to the most similar questions, all different.

    Similarity is the cosine of the questions' TF-IDF vectors (scikit-learn). Ties go to the earlier row.
    """
    vectors = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit_transform([row["question"] for row in rows])
    similarity = (vectors @ vectors.T).toarray()
    authors = np.array([row["name"] for row in rows])
    wrong = []
    for i, row in enumerate(rows):
        order = np.argsort(-np.where(authors == authors[i], -1.0, similarity[i]), kind="stable")
        found: list[str] = []
        for j in order:
            answer = rows[j]["answer"]
            if authors[j] != authors[i] and answer != row["answer"] and answer not in found:
                found.append(answer)
            if len(found) == WRONG_ANSWERS:
                break
        wrong.append(found)
    return wrong


def tofu_text_rows(folder: Path, authors: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """Read the folder into rows by config.

    Args:
        folder: Where the files are.
        authors: Keep this many forget authors and as many others; all by default. For a quick look and for tests.

    Returns:
        `full`, `forgetNN`, `retainNN` (question, answer, name), `forgetNN_perturbed`, `retain_perturbed` (with
        paraphrased_answer and perturbed_answer), `real_authors_perturbed` and `world_facts_perturbed`.
    """
    pairs = read_lines(folder / "qa.jsonl", ("split", "question", "answer"))
    blocks = [pairs[i : i + ROWS_PER_AUTHOR] for i in range(0, len(pairs), ROWS_PER_AUTHOR)]
    sides: dict[str, list[list[dict[str, Any]]]] = {"forget": [], "retain": []}
    for number, block in enumerate(blocks):
        side = block[0]["split"]
        if side not in sides or any(row["split"] != side for row in block):
            raise ValueError(f"{folder / 'qa.jsonl'}, author {number}: split must be forget or retain in all 20 rows")
        # The files name no author: the number of the block stands for the person.
        sides[side].append(
            [{"question": r["question"], "answer": r["answer"], "name": f"author {number:03d}"} for r in block]
        )
    forget = [row for block in sides["forget"][-authors if authors else None :] for row in block]
    retain = [row for block in sides["retain"][:authors] for row in block]
    everybody = [*retain, *forget]
    scored = [
        {**row, "paraphrased_answer": row["answer"], "perturbed_answer": wrong}
        for row, wrong in zip(everybody, similar_answers(everybody), strict=True)
    ]
    configs = {"full": everybody, "retain_perturbed": scored[: len(retain)][:SCORED_RETAIN]}
    for config, count in FORGET_ROWS.items():
        split = max(len(everybody) - count, len(retain))
        configs[config] = everybody[split:]
        configs[RETAIN_OF[config]] = everybody[:split]
        configs[f"{config}_perturbed"] = scored[split:]
    for config in ("real_authors_perturbed", "world_facts_perturbed"):
        configs[config] = read_lines(folder / f"{config}.json", ("question", "answer", "perturbed_answer"))
    return configs
