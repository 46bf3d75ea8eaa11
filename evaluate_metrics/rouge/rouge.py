"""ROUGE-L recall of what the model says against the right answer (as in TOFU, arXiv 2401.06121, section 2.2)."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer

_DESCRIPTION = "Share of the right answer's words that the generation has in the same order."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    predictions: What the model said, a text an example.
    references: The right answer of each.
"""


def rouge(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Mean ROUGE-L recall, words stemmed (Porter), by rouge_score.

    Args:
        predictions: Generations.
        references: Right answers.

    Raises:
        ValueError: If there is no example or the numbers differ.
    """
    if not len(predictions) or len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} generations against {len(references)} right answers")
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    recalls = [
        scorer.score(reference, prediction)["rougeL"].recall
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return float(sum(recalls) / len(recalls))


class Rouge(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, float]:
        return {"rouge": rouge(predictions, references)}
