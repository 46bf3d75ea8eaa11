"""Depth: how much of the original's knowledge is gone from the model's layers, the unlearning depth score.

Put the output of one layer of the model, at the positions that predict the secret, into the original: D is what the
secret loses in log-probability. Gold's D says what a layer that knows nothing does. The score is the mean of
`sum_l D_gold clip(D_model / D_gold, 0, 1) / sum_l D_gold` over the layers with D_gold above .05; here it is turned
around, so that 1 is known.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from clear_unlearning.batches import IGNORE, Batch, Encoder, to_device
from clear_unlearning.likelihood import answer_likelihood, decoder_layers, outputs_of
from clear_unlearning.models import LoadedModel

from .context import Context, NotPossible
from .measured import Measured
from .people import Asked, by_person

LEAST = 0.05  # nats that gold's layer must cost
KINDS = ("caption", "fact")


def depth_score(gold: Sequence[float], model: Sequence[float]) -> float | None:
    """Return the share of the knowledge that is gone, from D of each layer; None if gold's layers cost nothing."""
    kept = [(one, other) for one, other in zip(gold, model, strict=True) if one > LEAST]
    whole = sum(one for one, _ in kept)
    return sum(one * min(max(other / one, 0.0), 1.0) for one, other in kept) / whole if kept else None


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Patch the layers of a model, and of gold, into the original.

    Raises:
        NotPossible: If the models are not of one architecture, or no layer of gold costs anything.
    """
    original, gold = context.original(), context.gold()
    asked = context.subjects.of(*KINDS)
    shapes = {_shape(one) for one in (loaded, original, gold)}
    if len(shapes) > 1:
        raise NotPossible("depth needs a model, an original and a gold of one architecture")
    costs = [patched_costs(original, one, asked, context.settings.batch_size) for one in (gold, loaded)]
    found = [depth_score(*pair) for pair in zip(*(cost.tolist() for cost in costs), strict=True)]
    kept = [number for number, value in enumerate(found) if value is not None]
    if not kept:
        raise NotPossible("no layer of gold takes anything from the original: it does not know these people")
    known = [1 - float(value) for value in found if value is not None]
    means = {"gold": costs[0].mean(0).tolist(), "model": costs[1].mean(0).tolist(), "questions": len(kept)}
    return Measured({"known": by_person([asked[number] for number in kept], known)}, ["known"], means)


def _shape(loaded: LoadedModel) -> tuple[Any, ...]:
    config = loaded.model.config.get_text_config()
    return type(loaded.model).__name__, config.num_hidden_layers, config.hidden_size, config.vocab_size


@dataclass
class Patch:
    """Replaces what a layer puts out at some positions.

    Attributes:
        places: Which positions [rows, tokens].
        states: What is put there [rows, tokens, features].
    """

    places: torch.Tensor
    states: torch.Tensor

    def __call__(self, module: Any, inputs: Any, output: Any) -> Any:
        """Return the output with the other states in it."""
        states = output[0] if isinstance(output, tuple) else output
        patched = torch.where(self.places[..., None], self.states.to(states.dtype), states)
        return (patched, *output[1:]) if isinstance(output, tuple) else patched


@torch.inference_mode()
def patched_costs(original: LoadedModel, source: LoadedModel, asked: Sequence[Asked], batch_size: int) -> np.ndarray:
    """Return D: what the secret loses, in nats per token, by each layer of the source [questions, layers]."""
    encoder, found = Encoder(original.processor), []
    into, out_of = (decoder_layers(one.model) for one in (original, source))  # type: ignore[arg-type]
    for start in range(0, len(asked), batch_size):
        batch = to_device(secret_batch(encoder, asked[start : start + batch_size]), original.model.device)
        places = torch.zeros_like(batch["labels"], dtype=torch.bool)
        places[:, :-1] = batch["labels"][:, 1:] != IGNORE
        with ExitStack() as stack:
            outputs = [stack.enter_context(outputs_of(layer)) for layer in out_of]
            answer_likelihood(source.model, to_device(batch, source.model.device))
        plain = _mean_log_probs(original, batch)
        columns = []
        for layer, states in zip(into, outputs, strict=True):
            handle = layer.register_forward_hook(Patch(places, states[0].to(places.device)))
            try:
                columns.append(plain - _mean_log_probs(original, batch))
            finally:
                handle.remove()
        found.append(torch.stack(columns, 1).float().cpu().numpy())
    return np.concatenate(found)


def _mean_log_probs(loaded: LoadedModel, batch: Batch) -> torch.Tensor:
    likelihood = answer_likelihood(loaded.model, batch)
    return likelihood.sums() / likelihood.counts()


def secret_batch(encoder: Encoder, asked: Sequence[Asked]) -> Batch:
    """Return a batch of questions with their true answers, of which only the secret's tokens are labelled."""
    batch = encoder.batch([one.example for one in asked])
    for row, one in enumerate(asked):
        labelled = (batch["labels"][row] != IGNORE).nonzero()[:, 0].tolist()
        ids = batch["input_ids"][row, labelled].tolist()
        inside = secret_tokens(encoder.tokenizer, ids, one)
        for place, here in zip(labelled, inside, strict=True):
            if not here:
                batch["labels"][row, place] = IGNORE
    return batch


def secret_tokens(tokenizer: Any, ids: Sequence[int], one: Asked) -> list[bool]:
    """Mark the tokens of an answer that say the secret; all of them if it cannot be found in their text."""
    ends = [len(tokenizer.decode(ids[: number + 1])) for number in range(len(ids))]
    text = tokenizer.decode(ids).lower()
    spans = [(start, start + len(word)) for word in map(str.lower, one.secret) if (start := text.find(word)) >= 0]
    begins = [0, *ends[:-1]]
    inside = [any(a < end and b > begin for a, b in spans) for begin, end in zip(begins, ends, strict=True)]
    return inside if any(inside) else [True] * len(ids)
