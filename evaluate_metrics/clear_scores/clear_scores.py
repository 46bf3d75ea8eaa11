"""CLEAR's Real, Retain and Forget: harmonic means of probability and truth ratio (arXiv 2410.18057, section 5)."""

from typing import Any

import datasets
import evaluate

from evaluate_metrics.clear_scores.compute import clear_scores

_DESCRIPTION = "Harmonic means of probability and truth ratio over CLEAR's sets: real, retain, forget."
_CITATION = "@inproceedings{dontsov2025clear, title={CLEAR: Character Unlearning in Textual and Visual Modalities}}"
_INPUTS = """
Args:
    log: An evaluation log: file, folder or content.
    paper: "clear" for the truth ratios of CLEAR's own scripts.
"""


class ClearScores(evaluate.Metric):
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
    ) -> dict[str, float | None]:
        """Compute from `log=`: a log file, the folder that holds it, or its content."""
        if log is None:
            raise ValueError("clear_scores takes log=, an evaluation log, and no samples")
        return clear_scores(log, paper)
