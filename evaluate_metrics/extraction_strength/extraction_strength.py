"""Extraction strength: how much of an answer follows by itself from its beginning (arXiv 2406.09179, section 3)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.extraction_strength.compute import extraction_strength

_DESCRIPTION = "Share of an answer that a model completes token by token, given the shortest beginning that suffices."
_CITATION = (
    "@article{wang2024towards, title={Towards Effective Evaluations and Comparisons for LLM Unlearning Methods}, "
    "journal={arXiv:2406.09179}}"
)
_INPUTS = """
Args:
    predictions: Of each example, for every token of the right answer 1 if it is the model's most probable one, else 0.
"""


class ExtractionStrength(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": datasets.List(datasets.Value("int64"))}),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, float]:
        return {"extraction_strength": extraction_strength(predictions)}
