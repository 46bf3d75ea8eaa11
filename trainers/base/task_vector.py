"""The task vector of a training, taken away from the original weights: `theta_0 - s (theta_1 - theta_0)`.

Under LoRA that is the negated adapter; otherwise the original weights wait in a file beside the checkpoints.
"""

from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from .regularisers import named_trainable

START_FILE = "start.safetensors"


def keep_start(trainer: Any) -> None:
    """Write the original weights of a trainer's model down.

    Raises:
        ValueError: If an adapter is not new: what was learned before is no part of the task vector.
    """
    if isinstance(trainer.model, PeftModel):
        if any(weight.any() for name, weight in named_trainable(trainer.model).items() if "lora_B" in name):
            raise ValueError(
                "the adapter was trained before, so that only what is learned now cannot be negated in it; merge it "
                "first (model.merge_and_unload()), and give a new peft_config"
            )
    elif trainer.is_world_process_zero():
        path = trainer.folder / START_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: weight.detach() for name, weight in named_trainable(trainer.model).items()}, path)


@torch.no_grad()
def negate(trainer: Any, share: float) -> None:
    """Take a share of what was learned away from the original weights, instead of adding all of it."""
    if isinstance(trainer.model, PeftModel):  # the change is B A
        for name, weight in named_trainable(trainer.model).items():
            if "lora_B" in name:
                weight.mul_(-share)
        return
    trainer.accelerator.wait_for_everyone()
    path = trainer.folder / START_FILE
    start = load_file(path)
    for name, weight in named_trainable(trainer.model).items():
        before = start[name].to(weight.device)
        weight.copy_(before - share * (weight - before))
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        path.unlink()
