"""Membership: whether a model's losses tell forgotten people from people whom no model has seen.

Attacks by the loss (Yeom et al., arXiv 1709.01604), the loss by compressed size (Carlini et al., arXiv 2012.07805),
min-k (arXiv 2310.16789) and min-k++ (arXiv 2404.02936); beside them a blind attack (Das et al., arXiv 2406.16201).
"""

import re
import zlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

K = 0.4  # as MUSE and open-unlearning have it for TOFU
ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")
FALSE_POSITIVES = 0.01
FOLDS = 5
FEW = 100  # held-out examples: with fewer, a rate of 1 % is a rate of 0
SUSPICIOUS = 0.1  # a blind AUC so far from .5 says that the two sets differ by themselves


def auc(members: Sequence[float] | np.ndarray, others: Sequence[float] | np.ndarray) -> float:
    """Return how often a member's score is above another's: area under the ROC curve; ties count half."""
    one, two = np.asarray(members, dtype=float), np.asarray(others, dtype=float)
    ordered = np.sort(two)
    below, up_to = np.searchsorted(ordered, one, "left"), np.searchsorted(ordered, one, "right")
    return float((below + up_to).sum() / 2 / len(one) / len(two))


def true_positive_rate(
    members: Sequence[float] | np.ndarray,
    others: Sequence[float] | np.ndarray,
    false_positives: float = FALSE_POSITIVES,
) -> float:
    """Return the largest share of members above a threshold that at most this share of the others is above."""
    one, two = np.asarray(members, dtype=float), np.sort(np.asarray(others, dtype=float))[::-1]
    allowed = int(np.floor(false_positives * len(two) + 1e-9))
    return float((one > two[allowed]).mean()) if allowed < len(two) else 1.0


def attack_scores(
    log_probs: Sequence[Sequence[float]],
    means: Sequence[Sequence[float]],
    stds: Sequence[Sequence[float]],
    texts: Sequence[str],
    k: float = K,
) -> dict[str, np.ndarray]:
    """Score of each example by each of ATTACKS: the higher, the more it looks like one that was learnt.

    Args:
        log_probs: Log-probability of each token, in nats [examples, tokens]; of any lengths.
        means: Mean log-probability over the vocabulary, weighted by probability, at each token.
        stds: Its standard deviation.
        texts: The answers.
        k: Share of the least probable tokens that min-k looks at; at least one token.

    Raises:
        ValueError: If lengths differ, a value is not finite, or k is not above 0 and at most 1.
    """
    if not 0 < k <= 1:
        raise ValueError(f"k must be above 0 and at most 1, not {k}")
    found: dict[str, list[float]] = {attack: [] for attack in ATTACKS}
    for number, row in enumerate(zip(log_probs, means, stds, texts, strict=True)):
        tokens, mean, std = (np.asarray(column, dtype=float) for column in row[:3])
        if not len(tokens) or not len(tokens) == len(mean) == len(std):
            raise ValueError(f"example {number}: {len(tokens)} tokens, {len(mean)} means and {len(std)} deviations")
        if not np.isfinite([*tokens, *mean, *std]).all():
            raise ValueError(f"example {number}: log-probabilities, means and deviations must be finite")
        least = max(1, int(len(tokens) * k))
        found["loss"].append(tokens.mean())
        found["zlib"].append(tokens.mean() / len(zlib.compress(row[3].encode())))
        found["min_k"].append(np.sort(tokens)[:least].mean())
        found["min_k_plus_plus"].append(np.sort((tokens - mean) / np.maximum(std, 1e-3))[:least].mean())
    return {attack: np.array(scores) for attack, scores in found.items()}


def blind_scores(texts: Sequence[str], labels: Sequence[int], people: Sequence[str]) -> np.ndarray:
    """Return what a classifier makes of only the texts: naive Bayes over words and length, cross-validated by person.

    Args:
        texts: The answers.
        labels: 1 for members, 0 for others.
        people: The person of each; the classifier has never seen a person whom it scores.

    Returns:
        The rank of each example among those of its fold, from 0 to 1: the higher, the more like a member.

    Raises:
        ValueError: If one side has fewer than two people.
    """
    has, member, fold = _words(texts), np.asarray(labels) == 1, _folds(labels, people)
    scores = np.zeros(len(texts))
    for number in range(fold.max() + 1):
        scored = fold == number
        member_share, other_share = (
            (has[~scored & side].sum(0) + 1) / ((~scored & side).sum() + 2) for side in (member, ~member)
        )
        odds = has[scored] @ np.log(member_share / other_share)
        odds += (1 - has[scored]) @ np.log((1 - member_share) / (1 - other_share))
        ordered = np.sort(odds)
        ranks = np.searchsorted(ordered, odds, "left") + np.searchsorted(ordered, odds, "right")
        scores[scored] = ranks / 2 / len(odds)
    return scores


def _words(texts: Sequence[str]) -> np.ndarray:
    """Return which words each text has, and which quarter of all lengths its own is in [texts, words]: 0 or 1."""
    sizes = [len(text.split()) for text in texts]
    quarters = np.searchsorted(np.quantile(sizes, [0.25, 0.5, 0.75]), sizes)
    rows = [
        {*re.findall(r"\w+", text.lower()), f"length {quarter}"} for text, quarter in zip(texts, quarters, strict=True)
    ]
    column = {word: number for number, word in enumerate(sorted(set().union(*rows)))}
    has = np.zeros((len(texts), len(column)))
    for number, words in enumerate(rows):
        has[number, [column[word] for word in words]] = 1
    return has


def _folds(labels: Sequence[int], people: Sequence[str]) -> np.ndarray:
    """Return the fold of each example: those of a person together, the people of each side spread over all folds."""
    sides = [
        sorted({f"{person}" for person, own in zip(people, labels, strict=True) if own == label}, key=_scatter)
        for label in (0, 1)
    ]
    count = min(FOLDS, *map(len, sides))
    if count < 2:
        raise ValueError(f"the blind baseline needs two people on each side; there are {[*map(len, sides)]}")
    place = [{person: number % count for number, person in enumerate(side)} for side in sides]
    return np.array([place[label][f"{person}"] for person, label in zip(people, labels, strict=True)])


def _scatter(name: str) -> tuple[int, str]:
    """Return an order of names that has nothing to do with that of the rows."""
    return zlib.crc32(name.encode()), name


def membership_scores(
    log_probs: Sequence[Sequence[float]],
    labels: Sequence[int],
    means: Sequence[Sequence[float]],
    stds: Sequence[Sequence[float]],
    texts: Sequence[str],
    people: Sequence[str],
    k: float = K,
) -> dict[str, np.ndarray]:
    """Score of each example by each of ATTACKS, and by two that see no model: `blind` and `tokens`.

    See `attack_scores` and `blind_scores`. `tokens` is only the number of tokens, the fewer the more like a member: a
    tokenizer that was trained on the people to forget, but not on the others, gives them away by itself.

    Raises:
        ValueError: If labels are not 0 or 1, a side is missing, lengths differ, or a value is not finite.
    """
    counts = [len(column) for column in (log_probs, labels, means, stds, texts, people)]
    if len(set(counts)) > 1:
        raise ValueError(f"tokens, labels, means, deviations, texts and people differ in number: {counts}")
    if {*map(int, labels)} != {0, 1}:
        raise ValueError(f"labels must be 1 (forgotten) and 0 (held out), both; seen {sorted({*map(int, labels)})}")
    scores = attack_scores(log_probs, means, stds, texts, k)
    tokens = -np.array([len(row) for row in log_probs], dtype=float)
    return {**scores, "blind": blind_scores(texts, labels, people), "tokens": tokens}


def membership(
    log_probs: Sequence[Sequence[float]],
    labels: Sequence[int],
    means: Sequence[Sequence[float]],
    stds: Sequence[Sequence[float]],
    texts: Sequence[str],
    people: Sequence[str],
    k: float = K,
) -> dict[str, Any]:
    """Return how well forgotten people can be told from held-out people.

    Args:
        log_probs: Log-probability of each token of each answer, in nats [examples, tokens].
        labels: 1 for the forget set, 0 for held-out people.
        means: Mean log-probability over the vocabulary at each token.
        stds: Its standard deviation.
        texts: The answers.
        people: The person of each example.
        k: Share of the least probable tokens that min-k looks at.

    Returns:
        `auc_<attack>` and `tpr_<attack>` (at 1 % false positives) of ATTACKS and of `blind` and `tokens`, which see
        no model; `members` and `others`, the numbers of examples; `warnings`, a list of sentences.

    Raises:
        ValueError: As `membership_scores`.
    """
    return rates(membership_scores(log_probs, labels, means, stds, texts, people, k), labels)


def rates(scores: Mapping[str, np.ndarray], labels: Sequence[int]) -> dict[str, Any]:
    """Return AUC, and true positive rate at 1 % false positives, of each attack's scores, see `membership`."""
    member = np.asarray(labels) == 1
    found: dict[str, Any] = {}
    for attack, values in scores.items():
        found[f"auc_{attack}"] = auc(values[member], values[~member])
        found[f"tpr_{attack}"] = true_positive_rate(values[member], values[~member])
    warnings = []
    # What is cross-validated falls below .5 only by chance; what is counted may point either way.
    apart = {"blind": found["auc_blind"] - 0.5, "tokens": abs(found["auc_tokens"] - 0.5)}
    for attack, distance in apart.items():
        if distance > SUSPICIOUS:
            warnings.append(
                f"an attack that sees no model, {attack}, tells the sets apart (AUC {found[f'auc_{attack}']:.2f}): "
                "they differ by themselves, or have too few people; compare only with the gold model's AUC"
            )
    others = int((~member).sum())
    if others < FEW:
        warnings.append(f"{others} held-out examples: 1 % false positives means none")
    return {**found, "members": int(member.sum()), "others": others, "warnings": warnings}
