"""TOFU's text rows (arXiv 2401.06121) in TOFU's own configs, from a folder of plain files.

The folder holds `qa.jsonl` (split, question, answer; 20 rows an author), `real_authors_perturbed.json` and
`world_facts_perturbed.json` (question, answer, perturbed_answer), a JSON object a line. The question-answer pairs come
without wrong answers and paraphrases: wrong answers are made here, from other authors' answers to the most similar
questions, and the answer itself stands for its paraphrase. `MADE` says so in metadata and report.
"""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from clear_data.configs import RETAIN_OF
from clear_data.splits import SCORED_RETAIN

from .json_lines import json_lines

ROWS_PER_AUTHOR = 20
WRONG_ANSWERS = 5
FORGET_ROWS = {"forget01": 40, "forget05": 200, "forget10": 400}  # the last rows of the forget authors, as in TOFU
MADE = (
    "Forget and retain rows: the wrong answers are made (other authors' answers to the most similar questions by "
    "TF-IDF), and the right answer stands for its paraphrase, since the source has neither."
)


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
    """Wrong answers for each row: those of other authors to the most similar questions, all different.

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
