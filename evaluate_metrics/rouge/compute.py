"""ROUGE-L recall of what the model says against the right answer (as in TOFU, arXiv 2401.06121, section 2.2)."""

from collections.abc import Sequence

from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer

from evaluate_metrics.words import ASCII_WORDS, word_pattern, words

STEMMED = 4  # letters from which a word is stemmed, as in rouge_score


class Words(Tokenizer):
    """Split a text as rouge_score does, Porter's stems of ASCII words, and add the words of other scripts."""

    def __init__(self) -> None:
        self._pattern, self._stemmer = word_pattern(ASCII_WORDS), PorterStemmer()

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text."""
        return [
            word if other or len(word) < STEMMED else self._stemmer.stem(word)
            for word, other in words(text, self._pattern)
        ]


def rouge_scorer() -> RougeScorer:
    """Return a scorer of ROUGE-1 and ROUGE-L for text of any script."""
    return RougeScorer(["rouge1", "rougeL"], tokenizer=Words())


def rouge(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Mean ROUGE-L recall, words stemmed (Porter), by rouge_score.

    Scripts other than Latin count as well; where they have no spaces between words, a character counts as a word.

    Args:
        predictions: Generations.
        references: Right answers.

    Raises:
        ValueError: If there is no example or the numbers differ.
    """
    if not len(predictions) or len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} generations against {len(references)} right answers")
    scorer = rouge_scorer()
    recalls = [
        scorer.score(reference, prediction)["rougeL"].recall
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return float(sum(recalls) / len(recalls))
