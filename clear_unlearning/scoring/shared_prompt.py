"""Scoring from one prompt cache: image and question run once; every answer and the generation go on from there.

A prompt with an image has hundreds of tokens and is asked about seven answers. Here it is computed once. The answers
go on from it side by side (`packed_answers.py`); where a model cannot, from its cache repeated once an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import DynamicCache

from clear_unlearning.batches import Encoder


class CannotShare(ValueError):
    """What is asked for cannot be computed together for this model."""


def check_windows(cache: DynamicCache, slots: int) -> None:
    """Make sure that so many tokens fit into the sliding windows of a cache, if it has any.

    Raises:
        CannotShare: If they do not.
    """
    windows = [layer.sliding_window for layer in cache.layers if layer.is_sliding]  # type: ignore[attr-defined]
    if windows and slots > min(windows):
        raise CannotShare(f"prompts and answers of {slots} tokens pass its sliding window of {min(windows)}")


@dataclass
class PromptCache:
    """What a model has computed of prompts that are padded on the left.

    Attributes:
        cache: Keys and values.
        first: Logits of the first answer token [rows, vocabulary].
        mask: Attention mask [rows, tokens].
        next: Position of the first answer token [rows]; images may count for less than their tokens.
    """

    cache: DynamicCache
    first: torch.Tensor
    mask: torch.Tensor
    next: torch.Tensor


def prompt_cache(model: nn.Module, prompts: Mapping[str, torch.Tensor]) -> PromptCache:
    """Run prompts, padded on the left."""
    positions = prompt_positions(model, prompts)
    output = model(**prompts, position_ids=positions, use_cache=True, logits_to_keep=1)
    following = positions.amax(dim=(0, 2) if positions.ndim == 3 else 1) + 1
    return PromptCache(output.past_key_values, output.logits[:, -1].float(), prompts["attention_mask"], following)


def prompt_positions(model: Any, prompts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the position ids that do not count the padding.

    Returns:
        One position a token [rows, tokens], or three (time, height, width) where the model gives image tokens those
        of their patch (M-RoPE, arXiv 2409.12191) [3, rows, tokens].
    """
    mask = prompts["attention_mask"]
    rope = getattr(model.config.get_text_config(), "rope_parameters", None) or {}
    if "mrope_section" in rope and "image_grid_thw" in prompts:
        names = ("input_ids", "attention_mask", "mm_token_type_ids", "image_grid_thw")
        inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        return inner.base_model.get_rope_index(**{name: prompts[name] for name in names})[0]
    return (mask.cumsum(1) - 1).clamp(min=0)


def most_probable(logits: torch.Tensor) -> torch.Tensor:
    """Return the most probable token of each row of logits [rows, vocabulary]."""
    return logits.argmax(-1)


def greedy(
    model: nn.Module, prompt: PromptCache, end_ids: Sequence[int], max_new_tokens: int, pad_id: int
) -> torch.Tensor:
    """Continue prompts by the most probable token until each has ended; see `continued`."""
    return continued(model, prompt, end_ids, max_new_tokens, pad_id, most_probable)


def continued(
    model: nn.Module,
    prompt: PromptCache,
    end_ids: Sequence[int],
    max_new_tokens: int,
    pad_id: int,
    choose: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Continue prompts token by token until each has ended.

    Args:
        model: The model.
        prompt: The prompts; their cache grows.
        end_ids: Tokens that end an answer.
        max_new_tokens: At most so many.
        pad_id: Fills a row behind its end.
        choose: Chooses the next token of each row from its logits [rows, vocabulary].

    Returns:
        Token ids [rows, new tokens].
    """
    mask = prompt.mask
    ends = torch.tensor(list(end_ids), device=mask.device)
    token = choose(prompt.first)
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
            position_ids=prompt.next[:, None] + len(tokens) - 1,
            past_key_values=prompt.cache,
            use_cache=True,
        )
        token = choose(step.logits[:, -1])


def first_losses(prompt: PromptCache, answers: Sequence[Sequence[Sequence[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the negative log-probability of each answer's first token, in nats, and the prompt that it answers."""
    device = prompt.mask.device
    row = torch.tensor([row for row, own in enumerate(answers) for _ in own], device=device)
    first = torch.tensor([ids[0] for own in answers for ids in own], device=device)
    return -prompt.first.log_softmax(-1)[row].gather(1, first[:, None])[:, 0], row


def repeated_losses(
    model: nn.Module, prompt: PromptCache, answers: Sequence[Sequence[Sequence[int]]], encoder: Encoder
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses of several answers to each prompt, each in a row of its own.

    Args:
        model: The model.
        prompt: The prompts; their cache is repeated in place.
        answers: Token ids of the answers to each prompt.
        encoder: Pads them.

    Returns:
        Negative log-probability of each answer, summed over its tokens, in nats, and the number of its tokens; those
        of one prompt together.
    """
    device = prompt.mask.device
    losses, row = first_losses(prompt, answers)
    each = [ids for own in answers for ids in own]
    ids = encoder.pad(each, encoder.pad_id).to(device)
    own = encoder.pad([[1] * len(answer) for answer in each], 0).to(device)
    if ids.shape[1] > 1:
        prompt.cache.batch_select_indices(row)
        keep = own[:, 1:].bool()
        output = model(
            input_ids=ids[:, :-1],
            attention_mask=torch.cat([prompt.mask[row], own[:, :-1]], 1),
            position_ids=prompt.next[row][:, None] + torch.arange(ids.shape[1] - 1, device=device),
            past_key_values=prompt.cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        token_losses = nn.functional.cross_entropy(output.logits.float(), ids[:, 1:][keep], reduction="none")
        losses = losses.index_add(0, keep.nonzero()[:, 0], token_losses)
    return losses, own.sum(1)
