"""The provenance of a result: the model's history, the library versions, and the hardware."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clear_data.configs import RETAIN_OF

from .run_folder import RUN_FILE

DEFAULT_SEED = 42  # of transformers' TrainingArguments, for runs that record only changed settings
MODEL_FILES = (".safetensors", ".gguf", ".json", ".jinja", ".txt", ".model")
NOT_MODEL = (RUN_FILE, "history.json", "trainer_state.json")  # in a run folder
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


def file_digest(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def place_digest(place: Path) -> str:
    """Return the digest of a file, or of all files of a folder."""
    files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
    return " ".join(file_digest(file) for file in files)


def model_digest(source: str, revision: str | None = None) -> str:
    """Return what a model is, wherever it is: a digest of its files, or repository and commit on the Hub.

    The base of an adapter counts by its own digest, not by its place.

    Raises:
        FileNotFoundError: If there is no such model.
    """
    folder = Path(source)
    if not folder.is_dir():
        from clear_unlearning.models import model_commit

        return f"{source}@{model_commit(source, revision)}"
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in MODEL_FILES and path.name not in NOT_MODEL):
        content = file_digest(path)
        if path.name in ("config.json", "adapter_config.json"):
            about = json.loads(path.read_text())
            about.pop("_name_or_path", None)
            base = about.pop("base_model_name_or_path", None)
            content = json.dumps([about, model_digest(base, about.get("revision")) if base else None], sort_keys=True)
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()[:16]


def lineage(model: str) -> dict[str, Any]:
    """Return where a model comes from, as the `run.json` of its folder has it.

    Args:
        model: Folder or Hub id.

    Returns:
        `base_model` (Hub id, or `mini-<track>` for a model built here), `role` (`original`, `gold`, `unlearned`, None
        if no run is known), `trained_on` (config), `forgotten` (forget set, people or rows; None of an original) and
        `training_seed`, None where unknown.

    Raises:
        ValueError: If an older version made it.
    """
    if (Path(model) / RUN_FILE).is_file():
        record = json.loads((Path(model) / RUN_FILE).read_text())
        if "lineage" not in record:
            raise ValueError(f"{model} was made by an older version, which recorded no lineage; make it again")
        return record["lineage"]
    return {"base_model": model, "role": None, "trained_on": None, "forgotten": None, "training_seed": None}


def check_role(model: str, given: str, role: str) -> None:
    """Make sure that a model is what it is said to be, as far as its run says it.

    Args:
        model: Folder or Hub id.
        given: What it was given as.
        role: What it must be, as in `lineage`.

    Raises:
        ValueError: If it is something else.
    """
    known = lineage(model)["role"]
    if known not in (None, role):
        raise ValueError(f"{model} is given as {given}, and its run says that it is {known}; give --{role}")


def how_made(settings: Mapping[str, Any], source: str | None) -> str:
    """Return in words what a training made, without a full stop.

    Args:
        settings: Of its run.
        source: What to call the model that it started from.
    """
    forgotten = settings.get("forget")
    if settings["recipe"] == "finetune":
        without = f" without {forgotten}" if forgotten else ""
        return f"{source} fine-tuned on `{settings['dataset_config']}`{without}"
    kind = f"the {settings['modality']} rows of " if settings.get("modality") else ""
    return f"{source} after unlearning {kind}{forgotten} by `{settings['method']}`"


def next_lineage(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lineage of the model that a run makes; it is recorded with the run, so that both can be moved.

    Args:
        settings: Settings of the run, with `model`, the model that it starts from.
    """
    if settings["recipe"] == "base":
        return {**lineage(""), "base_model": f"mini-{settings['track']}"}
    rows, forgotten = settings.get("dataset_config"), settings.get("forget")
    kind = "unlearned"
    if rows is not None:
        left_out = {retain: forget for forget, retain in RETAIN_OF.items()}
        forgotten = forgotten or left_out.get(rows.removesuffix("+tofu"))
        kind = "gold" if forgotten else "original" if rows.startswith("full") else None
    return {
        "base_model": lineage(settings["model"])["base_model"],
        "role": kind,
        "trained_on": rows or forgotten,
        "forgotten": forgotten,
        "training_seed": settings["settings"].get("seed", DEFAULT_SEED),
    }
