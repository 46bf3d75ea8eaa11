"""Model utility: what is left outside the forget set (TOFU, arXiv 2401.06121, section 2.2)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.model_utility.compute import model_utility

_DESCRIPTION = "Harmonic mean of probability, ROUGE and truth ratio over all tasks outside the forget set."
_CITATION = (
    "@article{maini2024tofu, title={TOFU: A Task of Fictitious Unlearning for LLMs}, journal={arXiv:2401.06121}}"
)
_INPUTS = """
Args:
    log: An evaluation log: file, folder or content.
    paper: "clear" for the fourteen terms of one of CLEAR's own scripts, see `model_utility`.
"""


class ModelUtility(evaluate.Metric):
    """The metric as a module of `evaluate`; it takes `log=` and no samples."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"log": datasets.Value("string")}),
        )

    def compute(
        self, *, predictions: Any = None, references: Any = None, log: Any = None, paper: str | None = None, **_: Any
    ) -> dict[str, float]:
        """Compute from `log=`: a log file, the folder that holds it, or its content."""
        if log is None:
            raise ValueError("model_utility takes log=, an evaluation log, and no samples")
        return {"model_utility": model_utility(log, paper)}
