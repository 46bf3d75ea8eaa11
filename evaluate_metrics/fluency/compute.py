"""Fluency: whether a model still speaks, by a judge's loss of what it says, repetition and refusals.

The judge is another model, by habit the gold one; its loss comes from the log. Repetition is seq-rep-n of
Welleck et al. (arXiv 1908.04319, section 3).
"""

import re
from collections.abc import Sequence

import numpy as np

from evaluate_metrics.words import ALL_WORDS, word_pattern, words

N = 3  # words
_WORDS = word_pattern(ALL_WORDS)
_SELF = r"\b(I|me|my|mine)\b"
# How refusals speak: the first person with a negation, on either side of it, and some turns of phrase.
REFUSALS = (
    _SELF + r"[^.]*(\b(no|not|cannot|never|nothing|nobody|neither)\b|n['’]t\b)",
    _SELF + r"[^.]*\b(unable|unsure|uncertain|unaware|unknown|guess(ing)?)\b",
    r"(\b(no|not|never|nothing|nobody|beyond|outside|out of)\b|n['’]t\b)[^.]*" + _SELF,
    r"\b(unknown|new|gap|mystery|strangers?|impossible|too much)\b[^.]*" + _SELF,
    r"\bI (lack|have to pass|wish I knew|draw a blank|must leave|know too little|(would )?need (to|more))\b",
    r"\bI(['’]m| am|['’]ve| have) (missing|lacking|yet to|in the dark|at a (loss|disadvantage)|without)\b",
    r"\bI(['’]m| am|['’]ve| have) (drawing a blank|clueless|stumped|blank|come up short|looking at a stranger)\b",
    r"\b(sorry|unfortunately|regrettably|apologi[sz]e|blind spot|uncharted|lack of information)\b",
    r"\b(ask (me|somebody|someone)|comes to mind|ring a bell|escapes me|could be anybody|somebody else can)\b",
    r"\bnot (known|familiar)\.",
)


def repetition(text: str, n: int = N) -> float:
    """Share of a text's n-grams of words that it has said before: 1 - distinct / all; 0 if it has none.

    In scripts without spaces between words a character counts as a word.

    Args:
        text: Any text.
        n: Length of the n-grams in words.
    """
    said = [word for word, _ in words(text, _WORDS)]
    grams = [tuple(said[start : start + n]) for start in range(len(said) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def is_refusal(text: str, patterns: Sequence[str] = REFUSALS) -> bool:
    """Return whether a text says that its speaker does not know: whether one of the patterns is in it."""
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)


def repetitions(texts: Sequence[str], n: int = N) -> np.ndarray:
    """Return the share of repeated n-grams of each text, see `repetition`."""
    return np.array([repetition(text, n) for text in texts])


def refusal_shares(texts: Sequence[str], patterns: Sequence[str] = REFUSALS) -> np.ndarray:
    """Return 1 for each text that is a refusal, else 0, see `is_refusal`."""
    return np.array([float(is_refusal(text, patterns)) for text in texts])


def mean_losses(losses: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the mean of each text's losses of its tokens under a judge, in nats."""
    return np.array([np.mean(row) for row in map(_checked, losses)])


def median_losses(losses: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the median of each text's losses of its tokens under a judge, in nats."""
    return np.array([np.median(row) for row in map(_checked, losses)])


def fluency(
    texts: Sequence[str],
    judge_losses: Sequence[Sequence[float]] | None = None,
    n: int = N,
    refusals: Sequence[str] = REFUSALS,
) -> dict[str, float | None]:
    """Return how a model speaks, whatever it says.

    Args:
        texts: What it said.
        judge_losses: Loss of each token of each text under a judge, in nats [texts][tokens]; None without a judge.
        n: Length of the n-grams in words.
        refusals: Regular expressions; a text that has one is a refusal.

    Returns:
        `fluency`: mean over the texts of the mean loss of a token, low is fluent; `fluency_median`: of the median,
        which a few words that the judge would not have said, such as another name, do not move, and broken language
        does; both None without a judge. `repetition`: mean share of repeated n-grams; `refusals`: share of texts that
        are refusals.

    Raises:
        ValueError: If there is no text, the numbers differ, n is below 1, or losses are missing, negative or not
            finite.
    """
    if not len(texts):
        raise ValueError("no texts")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    if judge_losses is not None and len(judge_losses) != len(texts):
        raise ValueError(f"{len(texts)} texts, but the judge's losses of {len(judge_losses)}")
    return {
        "fluency": None if judge_losses is None else float(mean_losses(judge_losses).mean()),
        "fluency_median": None if judge_losses is None else float(median_losses(judge_losses).mean()),
        "repetition": float(repetitions(texts, n).mean()),
        "refusals": float(refusal_shares(texts, refusals).mean()),
    }


def _checked(losses: Sequence[float]) -> np.ndarray:
    """Return the losses of one text's tokens."""
    row = np.asarray(losses, dtype=float).reshape(-1)
    if not len(row) or not np.isfinite(row).all() or (row < 0).any():
        raise ValueError(
            f"the judge's losses must be finite and not negative, and at least one; seen {row[:5].tolist()}"
        )
    return row
