"""Forget quality: does the model pass for one that never saw the forget set? (TOFU, arXiv 2401.06121, section 2.3)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.forget_quality.compute import forget_quality

_DESCRIPTION = "Two-sample Kolmogorov-Smirnov test between the truth ratios of an unlearned and of the gold model."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    predictions: Truth ratio R of each forget example under the unlearned model.
    references: The same under the gold model; the numbers of examples may differ.
    golds: The same under further gold models of other seeds, a list for each.
    variant: "ks" (default) or "js", see `forget_quality`.
    paper: "clear" for the number of CLEAR's own scripts, see `forget_quality`.
"""


class ForgetQuality(evaluate.Metric):
    """The metric as a module of `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Compute from samples that may differ in size; without arguments, from what `add_batch` collected."""
        if predictions is None or references is None:
            return super().compute(predictions=predictions, references=references, **kwargs)
        return forget_quality(predictions, references, **kwargs)

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return forget_quality(predictions, references, **kwargs)
