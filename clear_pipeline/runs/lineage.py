"""Where a model comes from, as its log says it: base model, role, what it was trained on."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from trainers.base import UnlearningConfig

from .run_folder import RUN_FILE

DEFAULT_SEED = next(field.default for field in fields(UnlearningConfig) if field.name == "seed")


def lineage(model: str) -> dict[str, Any]:
    """What a model is, from the `run.json` of its folder and of those that it was made from.

    Args:
        model: Folder or Hub id.

    Returns:
        `base_model` (Hub id, or `mini-<track>` for a model built here), `role` (`original`, `gold`, `unlearned`, None
        for a model of which no run is known), `trained_on` (config) and `training_seed`, None where unknown.
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
