"""The base model of the mini benchmark: untrained, or trained once on its own people and shared by all runs."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from trl import ModelConfig

from clear_data.building.folder import read_meta
from clear_data.corpora.mini import NAME_QUESTIONS
from clear_unlearning.mini_models import build_mini_llama, build_mini_llava
from clear_unlearning.tasks import CAPTION_QUESTIONS
from trainers.retain_finetune import RetainFinetuneConfig

from .arguments import DataArguments, FinetuneArguments
from .runs.provenance import next_lineage
from .runs.run_folder import RUN_FILE, Run, read_run
from .train import FinetuneJob, Progress, changed, finetune, training_rows

BASE_CONFIG = "base"  # of <dataset>_extra
BASE_SEED = 0  # of weights and batches: one base for all seeds
VOCABULARY = 700  # tokens; names that nobody has seen are spelled in pieces that the base knows
ASKED = 20  # times that the tokenizer sees each caption question: it is in the prompt of every photo
THREADS = 1  # rounding depends on it; two are no faster on so small a model


def build_base(folder: Path, data: DataArguments, rows: FinetuneArguments, seed: int) -> None:
    """Write the untrained mini model of a track, its tokenizer trained on the training rows.

    Args:
        folder: Run folder of the model.
        data: Where the rows are.
        rows: Which rows.
        seed: Of the weights.
    """
    run = Run(folder, {"recipe": "base", "track": data.track, "data": data.identity(), "seed": seed})
    if run.finished:
        return
    part = run.start()
    texts = [
        text
        for some in training_rows(data, rows)
        for column in ("question", "answer", "caption")
        if column in some.column_names
        for text in some[column]
        if text
    ]
    if data.track == "image":
        build_mini_llava(part, [*texts, *CAPTION_QUESTIONS * ASKED], seed=seed, vocabulary=VOCABULARY)
    else:
        build_mini_llama(part, texts, seed=seed)
    run.finish(lineage=next_lineage(run.settings))


def base_beside(folder: Path, data: DataArguments) -> Path:
    """Write the untrained mini model of a dataset beside the models that are made from it, and return its folder.

    Args:
        folder: Of a model that is made from it.
        data: Where the rows are; the tokenizer knows those of everybody.
    """
    base = folder.parent / "mini-base"
    build_base(base, data.everybody(), FinetuneArguments(data.training_config("full")), BASE_SEED)
    return base


def pretrain_base(
    folder: Path, bases: Path, dataset: str, settings: Mapping[str, Any], progress: Progress | None = None
) -> None:
    """Write the pretrained mini model of the image track; train it only if no run before has done so.

    Args:
        folder: Run folder of the model, a copy of the shared one.
        bases: Folder of the shared ones, each named by a digest of its rows and settings.
        dataset: Folder of the dataset; `<dataset>_extra` has the config `base`.
        settings: Of the training.
        progress: Called with the number of steps done and in all.

    Raises:
        FileNotFoundError: If there are no rows for it.
    """
    source = f"{dataset}_extra"
    entry = (read_meta(Path(source)) or {}).get("configs", {}).get(BASE_CONFIG)
    if entry is None:
        raise FileNotFoundError(f"{source} has no config {BASE_CONFIG!r}, on which the base model is trained")
    training = RetainFinetuneConfig(output_dir=str(folder), use_cpu=True, seed=BASE_SEED, **settings)
    about = {"recipe": "base", "track": "image", "data": entry["fingerprint"], "settings": changed(training),
             "vocabulary": VOCABULARY}  # fmt: skip
    run = Run(folder, about)
    if run.finished:
        return
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    shared, untrained = bases / f"mini-{digest}", bases / f"mini-{digest}-untrained"
    bases.mkdir(parents=True, exist_ok=True)
    with FileLock(bases / f"mini-{digest}.lock"):
        if read_run(shared) is None:
            data, rows = DataArguments(source), FinetuneArguments(BASE_CONFIG)
            if read_run(untrained) is None:
                build_base(untrained, data, rows, BASE_SEED)
            threads = torch.get_num_threads()
            torch.set_num_threads(THREADS)
            model = ModelConfig(model_name_or_path=str(untrained))
            job = FinetuneJob(shared, model, data, rows, training, overwrite=True, forms=NAME_QUESTIONS)
            finetune(job, progress)
            torch.set_num_threads(threads)
    part = run.start()
    for file in shared.iterdir():
        if file.is_file() and file.name != RUN_FILE:
            shutil.copyfile(file, part / file.name)
    run.finish(lineage=next_lineage(about))
