"""U-MIA: does one classifier tell forgotten examples from unseen ones? (arXiv 2403.01218, 2410.18057)."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from evaluate_metrics.attack_rates import cosine_logits
from evaluate_metrics.u_mia.compute import u_mia

_DESCRIPTION = "Membership attack on unlearned models by one classifier over the pooled logits of shadow models."
_CITATION = (
    "@article{hayes2024inexact, title={Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of "
    "Privacy}, journal={arXiv:2403.01218}}"
)
_INPUTS = """
Args:
    predictions: Logit of each example under each target model [target models, examples].
    references: 1 where the target model was trained on the example before unlearning, else 0; same shape.
    shadow_predictions: The same for the shadow models [shadow models, examples].
    shadow_references: Their membership, same shape.
    people: The person of each example, for intervals; optional.
    classifier: tree (entropy, 256 leaves, as in the paper) or logistic.
    cosines: The values are cosines and become logits here.
"""


class UMia(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        rows = datasets.List(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": rows, "references": rows}),
        )

    def _compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        shadow_predictions: Any = None,
        shadow_references: Any = None,
        people: Sequence[str] | None = None,
        classifier: str = "tree",
        cosines: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if kwargs:
            raise ValueError(f"unknown argument {', '.join(kwargs)}")
        if shadow_predictions is None or shadow_references is None:
            raise ValueError("shadow_predictions and shadow_references are needed: the attack learns from them")
        if cosines:
            predictions, shadow_predictions = cosine_logits(predictions), cosine_logits(shadow_predictions)
        return u_mia(predictions, references, shadow_predictions, shadow_references, people, classifier)
