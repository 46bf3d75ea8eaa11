"""Fluency: whether a model still speaks, by a judge's loss of what it says, repetition and refusals.

The judge is another model, by habit the gold one; its loss comes from the log. Repetition is seq-rep-n of
Welleck et al. (arXiv 1908.04319, section 3).
"""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.fluency.compute import fluency

_DESCRIPTION = "A judge's loss of what a model says, mean and median token, its repeated n-grams, and refusals."
_CITATION = (
    "@article{welleck2019neural, title={Neural Text Generation with Unlikelihood Training}, "
    "journal={arXiv:1908.04319}}"
)
_INPUTS = """
Args:
    predictions: What the model said, a text an example.
    references: The judge's loss of each token of each, in nats; may be left out.
    n: Length of the n-grams in words (3).
    refusals: Patterns (regular expressions) of which a refusal has one, instead of our own.
"""


class Fluency(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.List(datasets.Value("float64"))}
            ),
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Compute from texts and, if there are any, losses; without arguments, from what `add_batch` collected."""
        if predictions is None or references is not None:
            return super().compute(predictions=predictions, references=references, **kwargs)
        return fluency(predictions, None, **kwargs)

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return fluency(predictions, references, **kwargs)
