"""Membership: whether a model's losses tell forgotten people from people whom no model has seen.

Attacks by the loss (Yeom et al., arXiv 1709.01604), the loss by compressed size (Carlini et al., arXiv 2012.07805),
min-k (arXiv 2310.16789) and min-k++ (arXiv 2404.02936); beside them a blind attack (Das et al., arXiv 2406.16201).
"""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.membership.compute import membership

_DESCRIPTION = "AUC, and true positive rate at 1 % false positives, of membership attacks, beside a blind baseline."
_CITATION = (
    "@article{shi2024muse, title={MUSE: Machine Unlearning Six-Way Evaluation for Language Models}, "
    "journal={arXiv:2407.06460}}\n"
    "@article{das2024blind, title={Blind Baselines Beat Membership Inference Attacks for Foundation Models}, "
    "journal={arXiv:2406.16201}}"
)
_INPUTS = """
Args:
    predictions: Log-probability of each token of each answer, in nats.
    references: 1 for an example of the forget set, 0 for one of a person whom no model was trained on.
    means: At each of these tokens, the mean log-probability over the vocabulary under the model.
    stds: The standard deviation of the same.
    texts: The answers.
    people: The person of each example.
    k: Share of the least probable tokens that min-k looks at (0.4).
"""


class Membership(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        numbers = datasets.List(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": numbers,
                    "references": datasets.Value("int64"),
                    "means": numbers,
                    "stds": numbers,
                    "texts": datasets.Value("string"),
                    "people": datasets.Value("string"),
                }
            ),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return membership(predictions, references, **kwargs)
