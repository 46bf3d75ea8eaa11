"""Truth ratio: how much likelier wrong answers are than the right one (TOFU, arXiv 2401.06121, equation 1)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.truth_ratio.compute import truth_ratio

_DESCRIPTION = "How much likelier wrong answers are than a paraphrase of the right one."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    predictions: Loss per token of the paraphrased right answer of each example, in nats.
    references: Losses per token of its wrong answers, in nats.
    kind: "forget" (default) or "other", see `truth_ratio_terms`.
    paper: "clear" for the form of CLEAR's own scripts, see `truth_ratio_terms`.
"""


class TruthRatio(evaluate.Metric):
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
        return {"truth_ratio": truth_ratio(predictions, references, **kwargs)}
