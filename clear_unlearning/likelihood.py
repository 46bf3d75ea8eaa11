"""The log-probability of an answer: every loss and every score starts here.

Logits are computed at answer positions only: of a prompt with hundreds of image tokens nothing is projected on the
vocabulary.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from .batches import IGNORE


@dataclass
class AnswerLikelihood:
    """The log-probabilities of the answers in a batch, all answer tokens in one row.

    Attributes:
        log_probs: Log-probability of each answer token in nats [tokens].
        row: Row of the batch that each token belongs to [tokens].
        rows: Number of rows in the batch.
        logits: Logits that predict the tokens [tokens, vocabulary].
        targets: The tokens [tokens].
    """

    log_probs: torch.Tensor
    row: torch.Tensor
    rows: int
    logits: torch.Tensor
    targets: torch.Tensor

    def sums(self) -> torch.Tensor:
        """Return summed log-probability of each row's answer in nats [rows]."""
        return self.log_probs.new_zeros(self.rows).index_add(0, self.row, self.log_probs)

    def counts(self) -> torch.Tensor:
        """Return the number of answer tokens of each row [rows]."""
        return torch.bincount(self.row, minlength=self.rows)


def answer_likelihood(model: nn.Module, batch: Mapping[str, torch.Tensor]) -> AnswerLikelihood:
    """Run a model over a batch and return the log-probabilities of its answers.

    Args:
        model: A causal language model or a vision-language model, bare, with a LoRA adapter or wrapped for training.
        batch: From `Encoder.batch`: model inputs with `labels` [rows, tokens]; an `index` of the rows is passed over.
    """
    labels = batch["labels"]
    keep = torch.zeros_like(labels, dtype=torch.bool)
    keep[:, :-1] = labels[:, 1:] != IGNORE
    targets = labels[:, 1:][keep[:, :-1]]
    inputs = {name: value for name, value in batch.items() if name not in ("labels", "index")}
    if _takes_positions(model):
        logits = model(**inputs, use_cache=False, logits_to_keep=keep).logits
    else:
        logits = model(**inputs, use_cache=False).logits[keep]
    logits = logits.float()
    log_probs = -nn.functional.cross_entropy(logits, targets, reduction="none")
    row = keep.nonzero()[:, 0]
    return AnswerLikelihood(log_probs=log_probs, row=row, rows=len(labels), logits=logits, targets=targets)


def _takes_positions(model: nn.Module) -> bool:
    """Return whether the model computes logits at chosen positions; wrappers (DDP, PEFT) pass arguments on to it."""
    while isinstance(module := getattr(model, "module", None), nn.Module):
        model = module
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """Return the decoder layers of any architecture: the first list that has as many modules as the config says."""
    depth = model.config.get_text_config().num_hidden_layers
    lists = (module for module in model.get_decoder().modules() if isinstance(module, nn.ModuleList))
    return next(modules for modules in lists if len(modules) == depth)


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collect what a module puts out, with its gradient."""
    outputs: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    handle = module.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()
