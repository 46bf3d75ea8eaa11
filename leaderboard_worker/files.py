"""What a worker has on its disk: originals, golds and data, and of a submission only its weights.

A submitted model is put together from the original's settings, processor, chat template and generation settings, and
from the submission's weight files.
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from clear_data.building.folder import read_meta
from clear_pipeline.runs.run_folder import write_json
from leaderboard_app.bases import Base
from leaderboard_app.intake.hub_repository import (
    CONFIG_LIMIT,
    INDEX,
    INDEX_LIMIT,
    Repository,
    hub_answers,
    weight_files,
)
from leaderboard_app.intake.repository_checks import ADAPTER_CONFIG, ADAPTER_WEIGHTS, lora_alphas, lora_ranks
from leaderboard_app.intake.safetensors_header import Tensor

BLOCK = 2**20


def local_copy(api: HfApi, source: str, folder: Path, kind: str = "model", commit: str | None = None) -> Path:
    """Return a folder of this disk, or the copy of a repository at a commit.

    Args:
        api: The Hub.
        source: Folder, `NAMESPACE/NAME` or `NAMESPACE/NAME@COMMIT`.
        folder: Where copies are kept.
        kind: `model` or `dataset`.
        commit: Overrides what the source says.

    Raises:
        ValueError: If it is not on the Hub.
        ConnectionError: If the Hub fails.
    """
    if Path(source).is_dir():
        return Path(source).resolve()
    repo_id, _, named = source.partition("@")
    revision = commit or named or None
    with hub_answers(f"{kind} {source}"):
        if revision is None:
            revision = str(api.repo_info(repo_id, repo_type=kind).sha)
        place = folder / kind / repo_id.replace("/", "--") / revision
        if not place.is_dir():
            part = place.with_name(f"{place.name}-{os.getpid()}-{threading.get_ident()}.part")
            skipped = ["*.bin", "*.pt", "*.pth", "*.py"] if kind == "model" else None
            api.snapshot_download(repo_id, repo_type=kind, revision=revision, local_dir=part, ignore_patterns=skipped)
            try:
                part.rename(place)
            except OSError:  # another worker was faster
                if not place.is_dir():
                    raise
                shutil.rmtree(part)
    return place.resolve()


def build_submitted(repository: Repository, kind: str, base: Base, original: Path, folder: Path) -> Path:
    """Download a submission's weights and puts the model together.

    Args:
        repository: The submission, whose files have passed the checks.
        kind: `full` or `adapter`.
        base: Row of the bases.
        original: Its original on this disk.
        folder: New folder of the model.

    Returns:
        The folder.

    Raises:
        ValueError: If a file is not what the Hub said of it.
        ConnectionError: If the Hub fails.
    """
    folder.mkdir(parents=True)
    if kind == "adapter":
        settings = repository.read_json(ADAPTER_CONFIG, CONFIG_LIMIT)
        lora = lora_settings(settings, repository.read_tensors(ADAPTER_WEIGHTS))
        about = {"peft_type": "LORA", "base_model_name_or_path": str(original), "inference_mode": True}
        write_json(folder / ADAPTER_CONFIG, {**about, **lora})
        paths = [ADAPTER_WEIGHTS]
    else:
        for file in original.iterdir():
            if file.is_file() and file.suffix != ".safetensors" and file.name not in (INDEX, "run.json"):
                shutil.copyfile(file, folder / file.name)
        paths = weight_files(repository)
        if INDEX in repository.files:
            places = repository.read_json(INDEX, INDEX_LIMIT)["weight_map"]
            write_json(folder / INDEX, {"metadata": {}, "weight_map": places})
    for path in paths:
        _download(repository, path, folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return folder


def lora_settings(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return all that makes an adapter what it is: modules and ranks by its tensors, scales by its settings.

    PEFT reads what is said of modules as patterns. Here each is a whole name, so that none takes long or fits others.

    Raises:
        ValueError: If tensors or scales are not those of a plain LoRA.
    """
    ranks = lora_ranks(tensors)
    alphas = lora_alphas(settings, ranks)
    first = next(iter(ranks))
    return {
        "r": ranks[first],
        "lora_alpha": alphas[first],
        "target_modules": list(ranks),
        "rank_pattern": {module: rank for module, rank in ranks.items() if rank != ranks[first]},
        "alpha_pattern": {module: alpha for module, alpha in alphas.items() if alpha != alphas[first]},
        "use_rslora": settings.get("use_rslora") is True,
    }


def _download(repository: Repository, path: str, folder: Path) -> None:
    """Download a weight file and makes sure that it is the one whose digest the Hub stated."""
    with hub_answers(f"{repository.repo_id}, {path}"):
        place = Path(
            repository.api.hf_hub_download(repository.repo_id, path, revision=repository.commit, local_dir=folder)
        )
    digest = hashlib.sha256()
    with place.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != repository.files[path].sha256:
        raise ValueError(f"{path} is not the file that the Hub listed: {digest.hexdigest()[:12]}")


def rows_identity(place: Path) -> str:
    """Identify the rows of a local copy: their fingerprint, else the name of the folder (a repository's commit)."""
    return (read_meta(place) or {}).get("fingerprint") or place.name


def public_log_meta(meta: Mapping[str, Any], source: str, place: Path, **changed: Any) -> dict[str, Any]:
    """Return the metadata of a log without the worker's folders.

    Args:
        meta: What `evaluate` wrote.
        source: Where the rows are from: folder, or dataset of the Hub.
        place: Their local copy.
        changed: What takes the place of other entries.
    """
    there = not Path(source).is_dir()
    rows = {"source": source.partition("@")[0] if there else place.name, "revision": place.name if there else None}
    return json.loads(json.dumps({**meta, "dataset": {**meta["dataset"], **rows}, **changed}))
