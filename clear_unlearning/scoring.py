"""What a model makes of examples: the loss of every answer that may be given, and the answer that it gives itself.

The fast path computes each prompt once (`shared_prompt.py`). Whether it holds for an architecture is checked on the
model itself, on the first examples of every run with and without images; where it does not, the plain path is taken
and the reason is logged.
"""

import logging
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import PreTrainedModel

from .batches import Batch, Encoder
from .likelihood import answer_likelihood
from .shared_prompt import score_shared
from .tasks import Example

logger = logging.getLogger(__name__)

CHECKED = 3  # examples on which the fast path is compared with the plain one
# Nats per token: what rounding alone may do to a loss computed in another order.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass
class Scored:
    """What a model makes of one example.

    Attributes:
        losses: Negative log-probability in nats, summed over tokens, of the answer, its paraphrase and each wrong one.
        tokens: Number of tokens of each.
        generated: The model's own answer by greedy decoding.
    """

    losses: list[float]
    tokens: list[int]
    generated: str


class Scorer:
    """Scores batches of examples that have the same number of answers.

    Args:
        model: In evaluation mode.
        encoder: Of the same model.
        max_new_tokens: Limit of the model's own answers.
    """

    def __init__(self, model: PreTrainedModel, encoder: Encoder, max_new_tokens: int = 64) -> None:
        self.model, self.encoder, self.max_new_tokens = model, encoder, max_new_tokens
        # Why the prompt is not shared, None where it is; by whether there are images, from the first batch of either.
        self.plain_because: dict[bool, str | None] = {}

    def plain(self, examples: Sequence[Example]) -> list[Scored]:
        """One full pass an answer, and `generate`."""
        answers = [text for example in examples for text in candidates(example)]
        repeated = [example for example in examples for _ in candidates(example)]
        likelihood = answer_likelihood(self.model, self._here(self.encoder.batch(repeated, answers)))
        prompts = self._prompts(examples)
        output: torch.Tensor = self.model.generate(  # type: ignore[assignment]
            **prompts,
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            pad_token_id=self.encoder.pad_id,
            eos_token_id=self.encoder.end_ids,
        )
        generated = output[:, prompts["input_ids"].shape[1] :]
        return self._scored(examples, -likelihood.sums(), likelihood.counts(), generated)

    def fast(self, examples: Sequence[Example]) -> list[Scored]:
        """Everything from one pass over the prompts."""
        prompts = self._prompts(examples)
        losses, counts, generated = score_shared(self.model, self.encoder, prompts, examples, self.max_new_tokens)
        return self._scored(examples, losses, counts, generated)

    @torch.inference_mode()
    def __call__(self, examples: Sequence[Example]) -> list[Scored]:
        """Scores by the fast path if it holds for this model.

        Raises:
            ValueError: If an answer has no tokens or a prompt and its answer are longer than the model's context.
            FloatingPointError: If the model gives NaN or infinite losses.
        """
        images = examples[0].image is not None
        if images not in self.plain_because:
            self.plain_because[images] = reason = self._difference(examples[:CHECKED])
            if reason is not None:
                logger.warning("%s is scored without a shared prompt: %s", type(self.model).__name__, reason)
        return self.plain(examples) if self.plain_because[images] else self.fast(examples)

    def _difference(self, examples: Sequence[Example]) -> str | None:
        """Says what the fast path would make otherwise, None if nothing."""
        plain = self.plain(examples)  # first: what it raises is no matter of the path
        try:
            fast = self.fast(examples)
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError) as error:
            if isinstance(error, RuntimeError) and should_reduce_batch_size(error):
                raise
            return f"{type(error).__name__}: {error}"
        difference = max(
            abs(a - b) / count
            for one, other in zip(fast, plain, strict=True)
            for a, b, count in zip(one.losses, other.losses, one.tokens, strict=True)
        )
        if not difference <= TOLERANCE.get(self.model.dtype, 1e-4):
            return f"it moves losses by {difference:.1e} nats a token"
        exact = self.model.dtype in (torch.float32, torch.float64)  # rounding may turn the greedy choice otherwise
        if exact and [one.generated for one in fast] != [one.generated for one in plain]:
            return "it generates other answers"
        return None

    def _prompts(self, examples: Sequence[Example]) -> Batch:
        """Prompts on the model's device, if they and their answers fit into its context."""
        prompts = self.encoder.prompts(examples)
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        for example, length in zip(examples, prompts["attention_mask"].sum(1).tolist(), strict=True):
            answers = max(len(self.encoder.tail(example, text)) for text in candidates(example))
            if context is not None and length + max(answers, self.max_new_tokens) > context:
                raise ValueError(
                    f"{example.where} ({example.question!r}): a prompt of {length} tokens, answers of {answers} and "
                    f"{self.max_new_tokens} new tokens do not fit into the model's context of {context}"
                )
        return self._here(prompts)

    def _here(self, batch: Batch) -> Batch:
        return {name: value.to(self.model.device) for name, value in batch.items()}

    def _scored(
        self, examples: Sequence[Example], losses: torch.Tensor, counts: torch.Tensor, generated: torch.Tensor
    ) -> list[Scored]:
        for example, own in zip(examples, losses.view(len(examples), -1), strict=True):
            if not own.isfinite().all():
                raise FloatingPointError(
                    f"{example.where} ({example.question!r}): the model gives NaN or infinite losses {own.tolist()}"
                )
        texts = self.encoder.tokenizer.batch_decode(generated, skip_special_tokens=True)
        each_losses, each_counts = losses.view(len(examples), -1).tolist(), counts.view(len(examples), -1).tolist()
        return [
            Scored(loss, count, text.strip())
            for loss, count, text in zip(each_losses, each_counts, texts, strict=True)
        ]


def candidates(example: Example) -> tuple[str, ...]:
    """The answers that are scored: the right one, its paraphrase, the wrong ones."""
    return (example.answer, example.paraphrase, *example.wrong)


def batches_of(examples: Sequence[Example], batch_size: int) -> list[list[int]]:
    """The batches in which examples are scored, by their indices: of one kind each, and of similar length."""

    def kind(i: int) -> tuple[bool, int]:
        return examples[i].image is None, len(examples[i].wrong)

    order = sorted(range(len(examples)), key=lambda i: (*kind(i), len(examples[i].question + examples[i].answer)))
    batches: list[list[int]] = []
    for i in order:
        if not batches or len(batches[-1]) == batch_size or kind(i) != kind(batches[-1][0]):
            batches.append([])
        batches[-1].append(i)
    return batches


def score_examples(
    scorer: Scorer, examples: Sequence[Example], batch_size: int = 16, done: Container[int] = ()
) -> Iterator[dict[int, Scored]]:
    """Scores examples in batches of similar length.

    A batch for which the memory does not suffice is halved, and so are all that follow.

    Args:
        scorer: Of the model.
        examples: Any mix of questions with and without images.
        batch_size: Examples at a time; each brings all its answers.
        done: Indices of examples that were scored before. The batches are the same with and without them, so that
            what is scored now does not depend on an interruption; those of which everything is done are left out.

    Yields:
        What the model makes of the examples of a batch, by their index.

    Raises:
        RuntimeError: If the memory does not suffice for a single example.
    """
    waiting = batches_of(examples, batch_size)
    waiting = [indices for indices in waiting if any(i not in done for i in indices)]
    most = batch_size
    while waiting:
        indices = waiting.pop(0)
        if len(indices) > most:
            waiting[:0] = [indices[:most], indices[most:]]
            continue
        try:
            scored = scorer([examples[i] for i in indices])
        except RuntimeError as error:
            if not should_reduce_batch_size(error) or len(indices) == 1:
                raise
            most = len(indices) // 2
            logger.warning("out of memory with %d examples at a time: going on with %d", len(indices), most)
            waiting.insert(0, indices)
            continue
        yield dict(zip(indices, scored, strict=True))
