"""All answers to a prompt in one row, each blind for the others: the prompt's keys and values are held once.

Repeating them for every answer takes seven times the memory and pads short answers to the longest of the batch. Here
the answers stand behind one another; the attention mask lets each look at the prompt and at itself, and each counts
its positions from the end of the prompt.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from clear_unlearning.batches import Encoder

from .shared_prompt import CannotShare, PromptCache, check_windows, first_losses

MASKED_BY = ("eager", "sdpa")  # attention that takes a mask of queries and keys


class RoomyLayer(DynamicLayer):
    """A layer of a cache with memory for what will follow, so that growing copies nothing.

    Args:
        layer: What it holds at first.
        room: Tokens for which there is memory behind those.
    """

    def __init__(self, layer: Any, room: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self._memory = [_with_room(states, room) for states in (layer.keys, layer.values)]
        self.keys, self.values = layer.keys, layer.values
        self._show(layer.keys.shape[-2])

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new keys and values behind those shown."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        for memory, states in zip(self._memory, (key_states, value_states), strict=True):
            memory[:, :, start:end] = states
        self._show(end)
        return self.keys, self.values  # type: ignore[return-value]

    def _show(self, length: int) -> None:
        self.keys, self.values = (memory[:, :, :length] for memory in self._memory)


def _with_room(states: torch.Tensor, room: int) -> torch.Tensor:
    rows, heads, length, size = states.shape
    memory = states.new_empty(rows, heads, length + room, size)
    memory[:, :, :length] = states
    return memory


def check_packing(model: Any, prompt: PromptCache, room: int) -> None:
    """Make sure that answers may stand side by side behind a prompt.

    Args:
        model: The model.
        prompt: The prompts.
        room: Tokens that will follow them.

    Raises:
        CannotShare: If the model keeps more than keys and values, if its attention takes no mask of our own, or if the
            answers would push the prompt out of a sliding window.
    """
    if not all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in prompt.cache.layers):
        raise CannotShare("it remembers otherwise than by keys and values")
    attention = model.config.get_text_config()._attn_implementation
    if attention not in MASKED_BY:
        raise CannotShare(f"{attention} takes no attention mask of queries and keys")
    check_windows(prompt.cache, prompt.mask.shape[1] + room)


def give_room(cache: DynamicCache, room: int) -> None:
    """Give every layer of a cache memory for more tokens, in place."""
    layers: Any = cache.layers
    layers[:] = [RoomyLayer(layer, room) if layer.is_initialized else layer for layer in layers]


def packed_losses(
    model: nn.Module, prompt: PromptCache, answers: Sequence[Sequence[Sequence[int]]], encoder: Encoder
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses of several answers to each prompt, all in one row.

    Args:
        model: The model.
        prompt: The prompts; their cache is the same afterwards.
        answers: Token ids of the answers to each prompt.
        encoder: Pads them.

    Returns:
        Negative log-probability of each answer, summed over its tokens, in nats, and the number of its tokens; those
        of one prompt together.
    """
    device = prompt.mask.device
    losses, _ = first_losses(prompt, answers)
    counts = torch.tensor([len(ids) for own in answers for ids in own], device=device)
    if counts.max() == 1:
        return losses, counts
    # Of each slot: the token that is read, the one that follows, which answer it is of, and its place in that.
    read = _pad([[token for ids in own for token in ids[:-1]] for own in answers], encoder, encoder.pad_id, device)
    following = _pad([[token for ids in own for token in ids[1:]] for own in answers], encoder, 0, device)
    answer = _pad([[k for k, ids in enumerate(own) for _ in ids[1:]] for own in answers], encoder, -1, device)
    place = _pad([[k for ids in own for k in range(len(ids) - 1)] for own in answers], encoder, 0, device)
    used = answer >= 0
    output = model(
        input_ids=read,
        attention_mask=_blind_for_one_another(prompt.mask, answer, prompt.cache.layers[0].keys.dtype),  # type: ignore[union-attr]
        position_ids=prompt.next[:, None] + place,
        past_key_values=prompt.cache,
        use_cache=True,
        logits_to_keep=used,
    )
    prompt.cache.crop(-read.shape[1])
    token_losses = nn.functional.cross_entropy(output.logits.float(), following[used], reduction="none")
    of_answer = torch.repeat_interleave(torch.arange(len(losses), device=device), counts - 1)
    return losses.index_add(0, of_answer, token_losses), counts


def _pad(rows: list[list[int]], encoder: Encoder, value: int, device: torch.device) -> torch.Tensor:
    return encoder.pad(rows, value).to(device)


def _blind_for_one_another(prompts: torch.Tensor, answer: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the mask [rows, 1, slots, tokens of the prompt + slots]: 0 where a slot may look, else the least."""
    slots = answer.shape[1]
    earlier = torch.ones(slots, slots, dtype=torch.bool, device=answer.device).tril()
    same = (answer[:, :, None] == answer[:, None, :]) & earlier
    seen = torch.cat([prompts.bool()[:, None, :].expand(-1, slots, -1), same], 2)[:, None]
    return torch.zeros(seen.shape, dtype=dtype, device=answer.device).masked_fill(~seen, torch.finfo(dtype).min)
