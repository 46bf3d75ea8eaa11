"""What some metrics need of a model beyond losses: each token of the right answer, and a judge's loss of generations.

A pass of its own over one answer an example: what it costs beside an evaluation is a fraction of that.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from .batches import Encoder, to_device
from .likelihood import AnswerLikelihood, answer_likelihood
from .models import LoadedModel
from .scoring.scorer import score_examples
from .tasks import Example

Progress = Callable[[int, int], None]
DIGITS = 6  # of a number in the log


@dataclass
class AnswerTokens:
    """The log-probability of each token of an answer, the end token included.

    Attributes:
        token_log_probs: Log-probability of the token, in nats.
        token_hits: 1 if it is the most probable token, else 0.
        vocabulary_means: Mean of the log-probabilities of the whole vocabulary, weighted by probability.
        vocabulary_stds: Standard deviation of the same.
    """

    token_log_probs: list[float]
    token_hits: list[int]
    vocabulary_means: list[float]
    vocabulary_stds: list[float]


class JudgeEncoder(Encoder):
    """An encoder for what models say: that may be nothing, and then only the end token is scored."""

    def _answer_ids(self, question: str, with_image: bool, answer: str) -> tuple[int, ...]:
        if answer.strip():
            return super()._answer_ids(question, with_image, answer)
        return super()._answer_ids(question, with_image, "answer")[-1:]


class TokenScorer:
    """Scores the right answers of a batch of examples token by token.

    Args:
        model: In evaluation mode.
        encoder: Of the same model.
    """

    def __init__(self, model: Any, encoder: Encoder) -> None:
        self.model, self.encoder = model, encoder

    @torch.inference_mode()
    def __call__(self, examples: Sequence[Example]) -> list[AnswerTokens]:
        """Run the model over the batch."""
        likelihood = answer_likelihood(self.model, to_device(self.encoder.batch(examples), self.model.device))
        columns = zip(*token_columns(likelihood), strict=True)
        return [AnswerTokens(*row) for row in columns]


def token_columns(likelihood: AnswerLikelihood) -> list[list[list[Any]]]:
    """Return the fields of `AnswerTokens`, each a list of rows.

    The moments are those of min-k++ (arXiv 2404.02936): with p the probabilities at a position, the mean is
    sum p log p and the variance sum p (log p)^2 - mean^2.
    """
    log_probs = likelihood.logits.log_softmax(-1).clamp(min=-700)  # exp of less is 0, and 0 times infinity no number
    probs = log_probs.exp()
    means = (probs * log_probs).sum(-1)
    variances = (probs * log_probs.square()).sum(-1) - means.square()
    hits = likelihood.logits.argmax(-1) == likelihood.targets
    columns = (likelihood.log_probs, hits.int(), means, variances.clamp(min=0).sqrt())
    sizes = likelihood.counts().tolist()
    return [[[round(number, DIGITS) for number in row.tolist()] for row in column.split(sizes)] for column in columns]


def answer_tokens(
    loaded: LoadedModel, examples: Sequence[Example], batch_size: int = 16, progress: Progress | None = None
) -> list[AnswerTokens]:
    """Score the right answer of each example token by token.

    Args:
        loaded: The model.
        examples: Any mix of questions with and without images.
        batch_size: Examples at a time.
        progress: Called with the number of examples done and in all.
    """
    return _scored(TokenScorer(loaded.model, Encoder(loaded.processor)), examples, batch_size, progress)


def judge_losses(
    judge: LoadedModel,
    examples: Sequence[Example],
    texts: Sequence[str],
    batch_size: int = 16,
    progress: Progress | None = None,
) -> list[list[float]]:
    """Return how a judge likes what a model said: its loss of each token, in its own tokens, the end token included.

    Args:
        judge: Any model; one that takes no images is asked without them.
        examples: What was asked, as it was asked.
        texts: What the model said to each; an empty answer is scored by its end token.
        batch_size: Examples at a time.
        progress: Called with the number of examples done and in all.

    Returns:
        Nats of each token of each text.
    """
    said = [
        Example(example.question, text, example.image if judge.takes_images else None)
        for example, text in zip(examples, texts, strict=True)
    ]
    scored = _scored(TokenScorer(judge.model, JudgeEncoder(judge.processor)), said, batch_size, progress)
    return [[max(0.0, -number) for number in tokens.token_log_probs] for tokens in scored]


def token_fields(scored: Sequence[AnswerTokens]) -> dict[str, dict[str, list[Any]]]:
    """Return the fields of a log, each keyed by the example's index as a string."""
    rows = [asdict(tokens) for tokens in scored]
    return {name: {str(index): row[name] for index, row in enumerate(rows)} for name in rows[0]} if rows else {}


def _scored(
    scorer: TokenScorer, examples: Sequence[Example], batch_size: int, progress: Progress | None
) -> list[AnswerTokens]:
    found: dict[int, Any] = {}
    for batch in score_examples(scorer, examples, batch_size):  # type: ignore[arg-type]
        found |= batch
        if progress:
            progress(len(found), len(examples))
    return [found[index] for index in range(len(examples))]
