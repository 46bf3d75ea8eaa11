"""ROUGE-L recall of what the model says against the right answer (as in TOFU, arXiv 2401.06121, section 2.2)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.rouge.compute import rouge

_DESCRIPTION = "Share of the right answer's words that the generation has in the same order."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    predictions: What the model said, a text an example.
    references: The right answer of each.
"""


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
