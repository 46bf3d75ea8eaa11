"""What a model makes of examples: the loss of every answer that may be given, and the answer that it gives itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from .batches import Encoder
from .likelihood import answer_likelihood
from .tasks import Example


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


def _score_batch(
    model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example], max_new_tokens: int
) -> list[Scored]:
    repeated, answers = [], []
    for example in examples:
        candidates = [example.answer, example.paraphrase, *example.wrong]
        repeated += [example] * len(candidates)
        answers += candidates
    likelihood = answer_likelihood(model, _to(encoder.batch(repeated, answers), model.device))
    losses, counts = (-likelihood.sums()).tolist(), likelihood.counts().tolist()

    prompts = _to(encoder.prompts(examples), model.device)
    output: torch.Tensor = model.generate(  # type: ignore[assignment]
        **prompts,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        pad_token_id=encoder.pad_id,
        eos_token_id=encoder.end_ids,
    )
    texts = encoder.tokenizer.batch_decode(output[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    scored, start = [], 0
    for example, text in zip(examples, texts, strict=True):
        end = start + 2 + len(example.wrong)
        scored.append(Scored(losses[start:end], counts[start:end], text.strip()))
        start = end
    return scored


def _to(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    return {name: value.to(device) for name, value in batch.items()}


@torch.inference_mode()
def score_examples(
    model: PreTrainedModel,
    encoder: Encoder,
    examples: Sequence[Example],
    batch_size: int = 16,
    max_new_tokens: int = 64,
) -> Iterator[tuple[int, Scored]]:
    """Scores examples in batches of similar length.

    Args:
        model: In evaluation mode.
        encoder: Of the same model.
        examples: Any mix of questions with and without images.
        batch_size: Examples at a time; each brings all its answers.
        max_new_tokens: Limit of the model's own answer.

    Yields:
        Index of an example and what the model makes of it, in the order in which they are done.
    """
    order = sorted(
        range(len(examples)),
        key=lambda i: (examples[i].image is None, len(examples[i].question) + len(examples[i].answer)),
    )
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        scored = _score_batch(model, encoder, [examples[i] for i in indices], max_new_tokens)
        yield from zip(indices, scored, strict=True)
