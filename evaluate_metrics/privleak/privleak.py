"""PrivLeak: how far a membership attack's AUC is from the gold model's (MUSE, arXiv 2407.06460, section 3)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.privleak.compute import privleak
from evaluate_metrics.privleak.compute import attack_auc

_DESCRIPTION = "Relative difference of a membership attack's AUC on an unlearned model from that on the gold model."
_CITATION = (
    "@article{shi2024muse, title={MUSE: Machine Unlearning Six-Way Evaluation for Language Models}, "
    "journal={arXiv:2407.06460}}"
)
_INPUTS = """
Args:
    predictions: An attack's score of each example under the unlearned model: the higher, the more it looks learnt.
    references: The same under the gold model.
    labels: 1 for an example of the forget set, 0 for one of a person whom no model was trained on.
    auc: Instead of these: the AUC of the attack on the unlearned model, from `membership`.
    gold_auc: The same on the gold model.
"""


class Privleak(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("float64"),
                    "references": datasets.Value("float64"),
                    "labels": datasets.Value("int64"),
                }
            ),
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, float] | None:
        """Compute from scores, or from `auc=` and `gold_auc=`."""
        if {"auc", "gold_auc"} <= kwargs.keys():
            return privleak(float(kwargs["auc"]), float(kwargs["gold_auc"]))
        return super().compute(predictions=predictions, references=references, **kwargs)

    def _compute(
        self, *, predictions: Any = None, references: Any = None, labels: Any = None, **kwargs: Any
    ) -> dict[str, float]:
        return privleak(attack_auc(predictions, labels), attack_auc(references, labels))
