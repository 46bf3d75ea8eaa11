"""Texts sampled from a model in batches, each by dice of its own: the same text in a batch of any size."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from clear_unlearning.batches import Encoder, to_device
from clear_unlearning.tasks import Example


class OwnDice(LogitsProcessor):
    """Leave of the logits only a token drawn from `softmax(logits / T)`, by generators of each sequence.

    The token is the largest of `logits / T` plus Gumbel noise: minus the logarithm of a number drawn from the
    exponential distribution (arXiv 1611.01144, section 2).

    Args:
        seeds: One for each sequence of the batch.
        temperature: T.
    """

    def __init__(self, seeds: Sequence[str], temperature: float) -> None:
        self.temperature = temperature
        self.dice = [torch.Generator().manual_seed(random.Random(seed).getrandbits(63)) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the logits of the next token [sequences, vocabulary], minus infinity but for the drawn one."""
        empty = torch.empty(scores.shape[1], dtype=torch.float64)
        noise = torch.stack([-empty.exponential_(generator=dice).log() for dice in self.dice])
        drawn = (scores.double().cpu() / self.temperature + noise).argmax(-1).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn[:, None], 0.0)


@torch.no_grad()
def sample_texts(
    model: Any,
    encoder: Encoder,
    examples: Sequence[Example],
    lengths: Sequence[int],
    seeds: Sequence[Sequence[str]],
    temperature: float,
) -> list[list[str]]:
    """Sample answers of a model.

    Args:
        model: In evaluation mode.
        encoder: Its encoder.
        examples: What is asked, in one batch.
        lengths: Most tokens of an answer, for each example.
        seeds: For each example as many as answers are wanted, the same number for all.
        temperature: Of the distribution of each token.

    Returns:
        The answers to each example, without spaces around them.
    """
    prompts = to_device(encoder.prompts(examples), model.device)
    count = len(seeds[0])
    said = model.generate(
        **prompts, max_new_tokens=max(lengths), do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
        num_return_sequences=count, pad_token_id=encoder.pad_id, eos_token_id=encoder.end_ids,
        logits_processor=LogitsProcessorList([OwnDice([seed for own in seeds for seed in own], temperature)]),
    )[:, prompts["input_ids"].shape[1] :]  # fmt: skip
    ended = [said[place, : lengths[place // count]] for place in range(len(said))]
    texts = [text.strip() for text in encoder.tokenizer.batch_decode(ended, skip_special_tokens=True)]
    return [texts[start : start + count] for start in range(0, len(texts), count)]
