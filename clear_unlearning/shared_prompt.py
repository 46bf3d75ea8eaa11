"""Scoring from one prompt cache: image and question run once; every answer and the generation go on from there.

A prompt with an image has hundreds of tokens and is asked about seven answers. Here it is computed once: the greedy
answer continues a copy of its key-value cache, the candidates continue the cache repeated once an answer.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache

from .batches import Encoder
from .tasks import Example


def prompt_cache(model: nn.Module, prompts: Mapping[str, torch.Tensor]) -> tuple[DynamicCache, torch.Tensor]:
    """Runs prompts, padded on the left.

    Returns:
        The cache and the logits of the first answer token [rows, vocabulary].
    """
    output = model(**prompts, **_positions(model, prompts["attention_mask"]), use_cache=True, logits_to_keep=1)
    return output.past_key_values, output.logits[:, -1].float()


def greedy(
    model: nn.Module,
    cache: DynamicCache,
    first: torch.Tensor,
    mask: torch.Tensor,
    end_ids: Sequence[int],
    max_new_tokens: int,
    pad_id: int,
) -> torch.Tensor:
    """Continues prompts by the most probable token until each has ended.

    Args:
        model: The model.
        cache: Of the prompts; grows.
        first: Logits of the first token [rows, vocabulary].
        mask: Attention mask of the prompts [rows, tokens].
        end_ids: Tokens that end an answer.
        max_new_tokens: At most so many.
        pad_id: Fills a row behind its end.

    Returns:
        Token ids [rows, new tokens].
    """
    ends = torch.tensor(list(end_ids), device=mask.device)
    token = first.argmax(-1)
    done = torch.zeros(len(token), dtype=torch.bool, device=mask.device)
    tokens = []
    while True:
        tokens.append(torch.where(done, pad_id, token))
        done = done | torch.isin(token, ends)
        if done.all() or len(tokens) == max_new_tokens:
            return torch.stack(tokens, 1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        step = model(
            input_ids=tokens[-1][:, None],
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **_positions(model, mask, 1),
        )
        token = step.logits[:, -1].argmax(-1)


def answer_losses(
    model: nn.Module,
    cache: DynamicCache,
    first: torch.Tensor,
    mask: torch.Tensor,
    answers: Sequence[Sequence[int]],
    encoder: Encoder,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses of several answers to each prompt.

    Args:
        model: The model.
        cache: Of the prompts; repeated in place.
        first: Logits of the first answer token [rows, vocabulary].
        mask: Attention mask of the prompts [rows, tokens].
        answers: Token ids, the same number of answers for each prompt, those of one prompt together.
        encoder: Pads them.

    Returns:
        Negative log-probability of each answer, summed over its tokens, in nats, and the number of its tokens.
    """
    each = len(answers) // len(mask)
    ids = encoder.pad(answers, encoder.pad_id).to(mask.device)
    own = encoder.pad([[1] * len(answer) for answer in answers], 0).to(mask.device)
    losses = -first.log_softmax(-1).repeat_interleave(each, 0).gather(1, ids[:, :1])[:, 0]
    if ids.shape[1] > 1:
        cache.batch_repeat_interleave(each)
        full = torch.cat([mask.repeat_interleave(each, 0), own[:, :-1]], 1)
        keep = own[:, 1:].bool()
        output = model(
            input_ids=ids[:, :-1],
            attention_mask=full,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
            **_positions(model, full, ids.shape[1] - 1),
        )
        token_losses = nn.functional.cross_entropy(output.logits.float(), ids[:, 1:][keep], reduction="none")
        losses = losses.index_add(0, keep.nonzero()[:, 0], token_losses)
    return losses, own.sum(1)


def _positions(model: nn.Module, mask: torch.Tensor, last: int | None = None) -> dict[str, Any]:
    """Position ids that do not count the padding, where a position is one number (Qwen's VLMs have three)."""
    rope: Any = getattr(model.config.get_text_config(), "rope_parameters", None) or {}  # type: ignore[union-attr]
    if "mrope_section" in rope:
        return {}
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return {"position_ids": positions if last is None else positions[:, -last:]}


def score_shared(
    model: nn.Module,
    encoder: Encoder,
    prompts: Mapping[str, torch.Tensor],
    examples: Sequence[Example],
    max_new_tokens: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores examples with the same number of answers each.

    Returns:
        Losses and token counts of the answers [examples x answers], and the tokens generated [examples, new tokens].
    """
    mask = prompts["attention_mask"]
    cache, first = prompt_cache(model, prompts)
    generated = greedy(model, copy.deepcopy(cache), first, mask, encoder.end_ids, max_new_tokens, encoder.pad_id)
    answers = [
        encoder.answer_ids(example.question, example.image is not None, text)
        for example in examples
        for text in (example.answer, example.paraphrase, *example.wrong)
    ]
    losses, counts = answer_losses(model, cache, first, mask, answers, encoder)
    return losses, counts, generated
