"""Checkpoints of a training: which one is whole after a kill, and what is never written into one."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import PreTrainedModel

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


def where_to_go_on(folder: Path) -> str:
    """Say which checkpoint a diverged training leaves."""
    checkpoint = last_checkpoint(folder)
    return "no checkpoint yet" if checkpoint is None else f"the last good checkpoint is {checkpoint}"


def all_finite(weights: Iterable[torch.Tensor]) -> bool:
    """Return whether no weight is NaN or infinite."""
    return all(bool(torch.isfinite(weight).all()) for weight in weights)


def load_weights(model: PreTrainedModel, checkpoint: Path) -> None:
    """Give a model the weights of a checkpoint.

    A checkpoint has the names of the Hub, which for vision-language models are not those of the modules: transformers'
    Trainer finds none of them and goes on with the weights it has.
    """
    saved = type(model).from_pretrained(checkpoint, dtype=model.dtype, use_safetensors=True)
    model.load_state_dict(saved.state_dict())
