"""The provenance of a result: the model's history, the library versions, and the hardware."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .run_folder import RUN_FILE

DEFAULT_SEED = 42  # of transformers' TrainingArguments, for runs that record only changed settings
LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of the libraries that numbers depend on."""
    return {name: version(name) for name in LIBRARIES}


def hardware() -> dict[str, Any]:
    """Return the accelerators, or the processor."""
    import torch

    if torch.cuda.is_available():
        return {"accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]}
    if torch.accelerator.is_available():
        return {"accelerators": [str(torch.accelerator.current_accelerator())]}
    return {"processor": platform.machine(), "processors": os.cpu_count(), "threads": torch.get_num_threads()}


def lineage(model: str) -> dict[str, Any]:
    """Trace a model through the `run.json` of its folder and of those that it was made from.

    Args:
        model: Folder or Hub id.

    Returns:
        `base_model` (Hub id, or `mini-<track>` for a model built here), `role` (`original`, `gold`, `unlearned`, None
        if no run is known), `trained_on` (config) and `training_seed`, None where unknown.
    """
    about: dict[str, Any] = {"base_model": model, "role": None, "trained_on": None, "training_seed": None}
    while (Path(model) / RUN_FILE).is_file():
        settings = json.loads((Path(model) / RUN_FILE).read_text())["settings"]
        if settings["recipe"] == "base":
            return {**about, "base_model": f"mini-{settings['track']}"}
        if about["role"] is None:
            rows = settings.get("dataset_config") or settings["forget"]
            kind = "gold" if rows.startswith("retain") else "original" if rows.startswith("full") else None
            about["role"] = "unlearned" if settings["recipe"] == "unlearn" else kind
            about["trained_on"] = rows
            about["training_seed"] = settings["settings"].get("seed", DEFAULT_SEED)
        model = about["base_model"] = settings["model"]
    return about
