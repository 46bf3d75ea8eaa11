"""ROUGE-L recall of what the model says against the right answer (as in TOFU, arXiv 2401.06121, section 2.2)."""

from collections.abc import Sequence

from rouge_score.rouge_scorer import RougeScorer


def rouge(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Mean ROUGE-L recall, words stemmed (Porter), by rouge_score.

    Args:
        predictions: Generations.
        references: Right answers.

    Raises:
        ValueError: If there is no example or the numbers differ.
    """
    if not len(predictions) or len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} generations against {len(references)} right answers")
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    recalls = [
        scorer.score(reference, prediction)["rougeL"].recall
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return float(sum(recalls) / len(recalls))
