"""Probability of the right answer, by itself or among wrong ones (TOFU, arXiv 2401.06121, section 2.2)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.probability.compute import probability

_DESCRIPTION = "Probability of the right answer, per token, by itself or among wrong answers."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    predictions: Loss per token of the right answer of each example, in nats.
    references: Losses per token of its wrong answers, in nats; empty lists for the plain probability.
"""


class Probability(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.List(datasets.Value("float64"))}
            ),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, float]:
        wrong = references if any(len(row) for row in references) else None
        return {"probability": probability(predictions, wrong)}
