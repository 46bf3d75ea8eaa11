"""Twenty rows of TOFU (locuslab/TOFU, MIT, see LICENSE) and twenty of its refusals, and a log about them.

The whole of its texts and the logs that its authors published may lie beside a checkout, in `../shared/data`.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest

ROWS = Path(__file__).parent
SHARED = ROWS.parents[1] / "../shared/data"
TEXTS, PUBLISHED_LOGS = SHARED / "tofu_text", SHARED / "tofu_eval_logs"
needs_texts = pytest.mark.skipif(not TEXTS.is_dir(), reason="all of TOFU's texts are not there (../shared/data)")
needs_logs = pytest.mark.skipif(not PUBLISHED_LOGS.is_dir(), reason="TOFU's logs are not there (../shared/data)")


def rows_of(name: str, folder: Path = ROWS) -> list[dict[str, Any]]:
    """The rows of a file, one a line."""
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def log_of_rows(shift: float = 0.0) -> dict[str, Any]:
    """A log of the rows in TOFU's format, with all fields of its own logs.

    Its losses are invented. On forget and retain rows the wrong answers are those to the next two questions, as where
    a corpus has none.

    Args:
        shift: Added to the losses of the right answers of the forget set: a model that knows less.
    """
    qa = rows_of("qa.jsonl")
    for number, row in enumerate(qa):
        row["perturbed_answer"] = [qa[(number + step) % len(qa)]["answer"] for step in (1, 2)]
    tasks = {
        "eval_log_forget.json": [row for row in qa if row["split"] == "forget"],
        "eval_log.json": [row for row in qa if row["split"] != "forget"],
        "eval_real_author_wo_options.json": rows_of("real_authors_perturbed.json"),
        "eval_real_world_wo_options.json": rows_of("world_facts_perturbed.json"),
    }
    return {key: _task(rows, shift if "forget" in key else 0.0, "real" not in key) for key, rows in tasks.items()}


def _task(rows: list[dict[str, Any]], shift: float, paraphrased: bool) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        loss, wrong = _loss(row["answer"]) + shift, [1 + _loss(text) for text in row["perturbed_answer"]]
        paraphrase = loss + 0.1 if paraphrased else loss
        words = len(row["answer"].split())
        said = {
            "avg_gt_loss": loss, "gt_loss": loss * words, "num_token_gt": words,
            "avg_paraphrased_loss": paraphrase, "paraphrased_loss": paraphrase * words, "num_token_paraphrased": words,
            "average_perturb_loss": wrong, "perturb_loss": [one * words for one in wrong],
            "num_token_perturb": [words] * len(wrong), "truth_ratio": math.exp(sum(wrong) / len(wrong) - paraphrase),
            "rouge1_recall": 1 / (1 + number), "rougeL_recall": 1 / (1 + number),
            "generated_text": [row["question"], row["answer"].split()[0], row["answer"]],
        }  # fmt: skip
        for name, value in said.items():
            fields.setdefault(name, {})[str(number)] = value
    return fields


def _loss(answer: str) -> float:
    """An invented loss per token: any number that is always the same for an answer."""
    return 0.1 + len(answer) % 17 / 10
