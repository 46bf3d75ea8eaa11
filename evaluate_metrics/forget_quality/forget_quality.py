"""Forget quality: does the model pass for one that never saw the forget set? (TOFU, arXiv 2401.06121, section 2.3)."""

import math
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.stats import ks_2samp
from scipy.stats import wasserstein_distance

_DESCRIPTION = "Two-sample Kolmogorov-Smirnov test between the truth ratios of an unlearned and of the gold model."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    predictions: Truth ratio R of each forget example under the unlearned model.
    references: The same under the gold model; the numbers of examples may differ.
"""


FEW = 100  # examples: with fewer, large shifts pass


def forget_quality(unlearned: Sequence[float], gold: Sequence[float]) -> dict[str, Any]:
    """How well the unlearned model passes for one that never saw the forget set.

    The two-sided two-sample Kolmogorov-Smirnov test between the two models' truth ratios, exact where scipy's default
    is. The p-value shrinks with the number of examples; the statistic D is the effect size.

    Args:
        unlearned: Truth ratio R of each forget example, under the unlearned model.
        gold: The same, under the model fine-tuned on the retain set alone.

    Returns:
        `forget_quality` (p, high is good), `log10` of it, `statistic` (D, low is good), `wasserstein` (distance of the
        truth ratios, low is good), `examples`, `gold_examples`, and `warnings`, a list of sentences.

    Raises:
        ValueError: If a sample is empty or holds a non-finite value.
    """
    samples = []
    for name, values in (("unlearned", unlearned), ("gold", gold)):
        sample = np.asarray(values, dtype=float).reshape(-1)
        if not len(sample) or not np.isfinite(sample).all():
            raise ValueError(f"the truth ratios of the {name} model are empty or hold a non-finite value")
        samples.append(sample)
    test: Any = ks_2samp(*samples)
    p = float(test.pvalue)
    return {
        "forget_quality": p,
        "log10": math.log10(max(p, 5e-324)),
        "statistic": float(test.statistic),
        "wasserstein": float(wasserstein_distance(*samples)),
        "examples": len(samples[0]),
        "gold_examples": len(samples[1]),
        "warnings": _warnings(*map(len, samples)),
    }


def _warnings(examples: int, gold_examples: int) -> list[str]:
    if min(examples, gold_examples) >= FEW:
        return []
    return [f"few examples ({examples} and {gold_examples}): p is high even for models that differ; look at D"]


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
        """Computes from samples that may differ in size; without arguments, from what `add_batch` collected."""
        if predictions is None or references is None:
            return super().compute(predictions=predictions, references=references, **kwargs)
        return forget_quality(predictions, references)

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return forget_quality(predictions, references)
