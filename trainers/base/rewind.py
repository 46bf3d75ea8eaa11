"""Going back to the epoch that forgot just enough: the rewinding of SCRUB+R (arXiv 2302.09880)."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback

from clear_unlearning.batches import Batch
from clear_unlearning.likelihood import answer_likelihood

from .regularisers import named_trainable


@torch.no_grad()
def loss_per_token(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Negative log-likelihood per answer token of all batches together, in nats."""
    training = model.training
    model.eval()
    answers = [answer_likelihood(model, batch).log_probs for batch in batches]
    model.train(training)
    return -float(torch.cat(answers).mean())


class Rewind(TrainerCallback):
    """Keeps the trained weights of each epoch with its forget error, in files, for `choose` to take one.

    Args:
        folder: Of the files; they stay as long as the checkpoints, so that a run can go on from any of these.
        ends: Number of steps at the end of each epoch.
        forget_error: Measures a model on the forget rows.
    """

    def __init__(self, folder: Path, ends: Sequence[int], forget_error: Callable[[nn.Module], float]) -> None:
        self.folder, self.ends, self.forget_error = folder, ends, forget_error

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the weights down at the end of an epoch."""
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
