"""Excess distance to the gold models: how much of what the original knew is still there, and of whom."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.gold_distance.compute import gold_distance

_DESCRIPTION = "Excess distance of an unlearned model from several gold models, in all and by person."
_CITATION = "@misc{clear-suite, title={CLEAR: a suite for machine unlearning in text and images}}"
_INPUTS = """
Args:
    predictions: Truth ratio R of each forget example under the unlearned model.
    references: The truth ratios of each forget example under the gold models: a list of at least 3 for each row.
    original: The truth ratios under the original model, for the shares.
    people: The person of each row, for the ledger.
"""


class GoldDistance(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("float64"),
                    "references": datasets.Sequence(datasets.Value("float64")),
                }
            ),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return gold_distance(predictions, [list(gold) for gold in zip(*references, strict=True)], **kwargs)
