"""Weights on disk: the checkpoints of a training, and the epochs of SCRUB+R, of which one is chosen at the end."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel, TrainerCallback

from clear_unlearning.batches import Batch
from clear_unlearning.likelihood import answer_likelihood

from .regularisers import named_trainable

STATE_FILE = "trainer_state.json"  # written last


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint of a folder that was written to its end, None if there is none."""
    numbered = {
        int(found[1]): path for path in folder.glob("checkpoint-*") if (found := re.fullmatch(r".*-(\d+)", path.name))
    }
    return next((numbered[step] for step in sorted(numbered, reverse=True) if _is_whole(numbered[step])), None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / STATE_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return True


def where_to_resume(folder: Path) -> str:
    """Say from which checkpoint a diverged training can be resumed."""
    checkpoint = last_checkpoint(folder)
    return "no checkpoint yet" if checkpoint is None else f"the last good checkpoint is {checkpoint}"


def all_finite(weights: Iterable[torch.Tensor]) -> bool:
    """Return whether no weight is NaN or infinite."""
    return all(bool(torch.isfinite(weight).all()) for weight in weights)


def load_weights(model: PreTrainedModel, checkpoint: Path) -> None:
    """Give a model the weights of a checkpoint.

    A checkpoint has the names of the Hub, which for vision-language models are not those of the modules: transformers'
    Trainer finds none of them and keeps the weights that it has.
    """
    saved = type(model).from_pretrained(checkpoint, dtype=model.dtype, use_safetensors=True)
    model.load_state_dict(saved.state_dict())


@torch.no_grad()
def loss_per_token(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Return the negative log-likelihood per answer token of all batches together, in nats."""
    training = model.training
    model.eval()
    answers = [answer_likelihood(model, batch).log_probs for batch in batches]
    model.train(training)
    return -float(torch.cat(answers).mean())


class Rewind(TrainerCallback):
    """Keep the trained weights of each epoch with its forget error, and go back to one (SCRUB+R, arXiv 2302.09880).

    Args:
        folder: Folder of the files; they stay as long as the checkpoints, so that any of these can be resumed.
        ends: Number of steps at the end of each epoch.
        forget_error: Measures a model on the forget rows.
    """

    def __init__(self, folder: Path, ends: Sequence[int], forget_error: Callable[[nn.Module], float]) -> None:
        self.folder, self.ends, self.forget_error = folder, ends, forget_error

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the weights at the end of an epoch."""
        if state.global_step in self.ends:
            error = self.forget_error(kwargs["model"])
            if state.is_world_process_zero:
                self.folder.mkdir(parents=True, exist_ok=True)
                weights = {name: weight.detach() for name, weight in named_trainable(kwargs["model"]).items()}
                path = self._path(state.global_step)
                save_file(weights, path.with_suffix(".part"), {"forget_error": repr(error)})
                path.with_suffix(".part").rename(path)

    @torch.no_grad()
    def choose(self, model: nn.Module, error: float) -> int:
        """Give the model the weights of the epoch whose forget error is closest to `error`.

        Returns:
            The epoch, from 1.
        """
        distances = {}
        for epoch, end in enumerate(self.ends, 1):
            with safe_open(self._path(end), "pt") as file:
                distances[epoch] = abs(float(file.metadata()["forget_error"]) - error)
        best = min(distances, key=lambda epoch: distances[epoch])
        weights = load_file(self._path(self.ends[best - 1]))
        for name, weight in named_trainable(model).items():
            weight.copy_(weights[name])
        return best

    def _path(self, end: int) -> Path:
        return self.folder / f"{end}.safetensors"
