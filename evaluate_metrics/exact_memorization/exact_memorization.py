"""Exact memorization: how many tokens of an answer are the model's own choice (arXiv 2205.10770, section 3)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.exact_memorization.compute import exact_memorization

_DESCRIPTION = "Share of an answer's tokens that the model finds the most probable, given all tokens before."
_CITATION = (
    "@article{tirumala2022memorization, title={Memorization Without Overfitting: Analyzing the Training Dynamics of "
    "Large Language Models}, journal={arXiv:2205.10770}}"
)
_INPUTS = """
Args:
    predictions: Of each example, for every token of the right answer 1 if it is the model's most probable one, else 0.
"""


class ExactMemorization(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": datasets.List(datasets.Value("int64"))}),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, float]:
        return {"exact_memorization": exact_memorization(predictions)}
