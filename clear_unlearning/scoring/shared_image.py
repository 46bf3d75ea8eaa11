"""One picture, several questions: what their prompts begin with, the image above all, is computed once.

A picture of hundreds of tokens is asked for its caption and for a name. Both prompts run up to where they part, once;
each continues from there with its own question. Where that is, the token ids say.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache

from clear_unlearning.batches import Batch, Encoder, to_device
from clear_unlearning.tasks import Example

from .shared_prompt import CannotShare, PromptCache, check_windows, prompt_cache


@dataclass
class SharedImages:
    """Prompts, cut in two.

    Attributes:
        beginnings: What the prompts about a picture begin with, one a picture, padded on the left.
        tails: Token ids of the rest of each prompt.
        picture: Which picture each prompt is about.
    """

    beginnings: Batch
    tails: list[list[int]]
    picture: list[int]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each prompt."""
        whole = self.beginnings["attention_mask"].sum(1).tolist()
        return [whole[picture] + len(tail) for picture, tail in zip(self.picture, self.tails, strict=True)]


def same_picture(examples: Sequence[Example]) -> list[list[int]]:
    """Return indices of the examples, those about one picture together; one without a picture is its own group."""
    groups: dict[Any, list[int]] = {}
    for i, example in enumerate(examples):
        image = example.image
        key = i if image is None else (image.size, image.mode, hashlib.sha256(image.tobytes()).digest())
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def common_beginning(rows: Sequence[Sequence[int]]) -> int:
    """Return the number of tokens with which all rows begin, so that one at least is left of each."""
    most = min(map(len, rows)) - 1
    return next((k for k in range(most) if len({row[k] for row in rows}) > 1), most)


def cut_prompts(encoder: Encoder, examples: Sequence[Example]) -> SharedImages:
    """Encode prompts with images; each picture's tensors are taken once."""
    groups = same_picture(examples)
    firsts, others = [group[0] for group in groups], [i for group in groups for i in group[1:]]
    ids, extra = encoder.encode_prompts([examples[i] for i in firsts])
    all_ids = dict(zip(firsts, ids, strict=True))
    all_ids |= dict(zip(others, encoder.encode_prompts([examples[i] for i in others])[0], strict=True))
    lengths = [common_beginning([all_ids[i] for i in group]) for group in groups]
    cut = {
        name: [row[:length] for row, length in zip(value, lengths, strict=True)] if isinstance(value, list) else value
        for name, value in extra.items()
    }
    picture = {i: number for number, group in enumerate(groups) for i in group}
    return SharedImages(
        beginnings=encoder.pad_prompts([row[:length] for row, length in zip(ids, lengths, strict=True)], cut),
        tails=[all_ids[i][lengths[picture[i]] :] for i in range(len(examples))],
        picture=[picture[i] for i in range(len(examples))],
    )


def check_sharing(model: Any, encoder: Encoder, shared: SharedImages, room: int) -> None:
    """Make sure that prompts may be cut where they part.

    Args:
        model: The model.
        encoder: Of the same model.
        shared: The prompts.
        room: Tokens that will follow each.

    Raises:
        CannotShare: If the image does not stand before the question, is looked at together with it, or if the padding
            between the two would push it out of a sliding window.
    """
    if encoder.prefix_model:
        raise CannotShare("its image tokens look at the question")
    if any(model.config.image_token_id in tail for tail in shared.tails):
        raise CannotShare("the question stands before the image")
    slots = shared.beginnings["input_ids"].shape[1] + max(map(len, shared.tails)) + room
    check_windows(DynamicCache(config=model.config.get_text_config()), slots)


def image_cache(model: nn.Module, encoder: Encoder, shared: SharedImages, device: torch.device) -> PromptCache:
    """Run the beginnings, one a picture, and from each the tails of its prompts."""
    before = prompt_cache(model, to_device(shared.beginnings, device))
    picture = torch.tensor(shared.picture, device=device)
    before.cache.batch_select_indices(picture)
    own = encoder.pad([[1] * len(tail) for tail in shared.tails], 0, "left").to(device)
    mask = torch.cat([before.mask[picture], own], 1)
    output = model(
        input_ids=encoder.pad(shared.tails, encoder.pad_id, "left").to(device),
        attention_mask=mask,
        position_ids=before.next[picture][:, None] + (own.cumsum(1) - 1).clamp(min=0),
        past_key_values=before.cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return PromptCache(before.cache, output.logits[:, -1].float(), mask, before.next[picture] + own.sum(1))
