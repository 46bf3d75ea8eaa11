"""Trains some methods as one of several processes; the first one writes down the losses of each step.

accelerate launch --multi_gpu --num_processes 2 two_processes.py MODEL FOLDER METHOD ...

METHOD+WRAPPER is a method with an optimizer wrapper.
"""

import json
import sys
import warnings
from pathlib import Path

import torch

from tests.trainers.conftest import rows, trainer_of, weights

SETTINGS = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 100, "optim": "sgd", "learning_rate": 0.05}
# PDU's own weight makes a loss of hundreds, of which float32 has no 1e-5.
OWN: dict[str, dict[str, float]] = {"pdu": {"retain_weight": 1.0}}


def losses_of(named: str, folder: Path, model: Path, batch: int) -> list[dict[str, float]]:
    """Trains on 5 forget and 7 retain rows: the last step of an epoch is not full. Then evaluates the 5."""
    sides = {"forget": rows(0, 5), "retain": rows(10, 7)}
    method, _, wrapper = named.partition("+")
    trainer = trainer_of(
        method,
        folder,
        model,
        sides=sides,
        per_device_train_batch_size=batch,
        optimizer_wrapper=wrapper or None,
        **SETTINGS,
        **OWN.get(method, {}),
    )
    trainer.train()
    evaluated = trainer.evaluate({"forget": sides["forget"]})
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        torch.save(weights(trainer.accelerator.unwrap_model(trainer.model)), folder / "weights.pt")
    steps = [row for row in trainer.state.log_history if "loss" in row]
    return [
        {name: row[name] for name in row if name == "loss" or name.endswith(("_term", "_loss"))}
        for row in [*steps, evaluated]
    ]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    model, folder, *methods = sys.argv[1:]
    for method in methods:
        found = losses_of(method, Path(folder, method), Path(model), batch=2)
        Path(folder, f"{method}.json").write_text(json.dumps(found))
