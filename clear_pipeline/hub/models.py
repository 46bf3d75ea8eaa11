"""An unlearned checkpoint on the Hub: weights, processor and a card that says how it was made and how it scores.

A LoRA adapter names its base, which must be on the Hub itself: the published original. What a run writes for itself
(`run.json`, the history, the arguments of the Trainer) stays at home; the card says the same without local paths.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from clear_data.configs import RETAIN_OF
from clear_data.publishing.hub_commit import Pushed, hub_errors, push_files
from clear_pipeline.runs.provenance import how_made, model_digest
from clear_pipeline.runs.run_folder import RUN_FILE, read_run
from clear_unlearning.model_card import Checkpoint, Score, model_card
from evaluate_metrics.columns import CARD, shown_columns
from evaluate_metrics.log_format import read_meta
from evaluate_metrics.scores import score_log

ADAPTER = "adapter_config.json"
AT_HOME = (RUN_FILE, "history.json", "README.md", "trainer_state.json", "alternatives.json")
ENDINGS = (".safetensors", ".json", ".jinja", ".txt", ".model")


def push_model(
    folder: Path,
    repo_id: str,
    licence: str,
    log: Path | None = None,
    golds: Sequence[Path] = (),
    original: Path | None = None,
    base_model: str | None = None,
    private: bool = False,
    tag: str | None = None,
) -> Pushed:
    """Publish a finished checkpoint in one commit.

    Args:
        folder: That `unlearn` or `finetune` wrote.
        repo_id: `namespace/name` of the model's repository.
        licence: Of the model, as the Hub names it; a leaderboard takes no model without one.
        log: Its log, for the scores of the card.
        golds: Logs of gold models, for the distance D to the first; E needs three.
        original: The original model's log, for the share of its distance that is left.
        base_model: Hub id of the model that training started from, if that was a folder here.
        private: Make a new repository private.
        tag: Name of this version.

    Returns:
        What was done.

    Raises:
        ValueError: If the run is not finished or no training, its base is a folder here, the log is of another model,
            or there are logs of references without one.
        FileNotFoundError: If folder or weights are missing, or the base is not on the Hub.
        PermissionError, ConnectionError: As `push_files`.
    """
    if log is None and (golds or original):
        raise ValueError("--gold and --original go with --log, the log of the model itself")
    record = finished_run(folder)
    settings = record["settings"]
    adapter = (folder / ADAPTER).is_file()
    weights = checked_weights(folder, adapter)
    base = _public_base(folder, settings["model"], base_model, adapter)
    if base is not None:
        with hub_errors(f"model {base}"):
            HfApi().model_info(base)
    dataset = record.get("dataset") or {"fingerprint": settings.get("data")}
    checkpoint = Checkpoint(
        title=repo_id.split("/")[-1],
        what=f"{how_made(settings, base or 'A model that is not published')}.",
        settings=_card_settings(record, dataset, base),
        images=(folder / "processor_config.json").is_file() or (folder / "preprocessor_config.json").is_file(),
        adapter=adapter,
        base=base or "a model that is not published",
        name=repo_id,
        dataset=dataset.get("source") if dataset.get("revision") else None,
        revision=dataset.get("revision"),
        config=settings.get("dataset_config") or (settings["forget"] if settings["forget"] in RETAIN_OF else None),
        licence=licence,
        scores=_scores(folder, log, golds, original) if log is not None else (),
    )
    files: dict[str, Path | bytes] = {path.name: path for path in weights}
    for path in sorted(folder.iterdir()):
        if path.suffix in ENDINGS[1:] and path.name not in AT_HOME:
            files[path.name] = path
    for name in (ADAPTER, "config.json"):
        if name in files:
            files[name] = _with_base(folder / name, base)
    files["README.md"] = str(model_card(checkpoint)).encode()
    message = f"{settings.get('method', settings['recipe'])} of {settings.get('forget') or settings['dataset_config']}"
    return push_files(repo_id, "model", files, message, stale="*.safetensors", private=private, tag=tag)


def finished_run(folder: Path) -> dict[str, Any]:
    """Return the record of a finished training, its `run.json`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the run is not finished, or is not a training.
    """
    part = folder.with_name(f"{folder.name}.part")
    if folder.suffix == ".part" or (not folder.exists() and part.is_dir()):
        raise ValueError(f"{folder} is not finished: the command that made it resumes where it was")
    record = read_run(folder)
    if record is None:
        raise FileNotFoundError(f"no folder {folder}; give one that `clear-unlearning unlearn` wrote")
    if record["settings"].get("recipe") not in ("unlearn", "finetune") or "steps" not in record:
        raise ValueError(
            f"{folder} is not a trained model: its {RUN_FILE} speaks of {record['settings'].get('recipe')!r}"
        )
    return record


def checked_weights(folder: Path, adapter: bool) -> list[Path]:
    """Return the files of the weights.

    Raises:
        FileNotFoundError: If one is missing.
    """
    name = "adapter_model.safetensors" if adapter else "model.safetensors"
    index = folder / f"{name}.index.json"
    names = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.is_file() else [name]
    missing = [file for file in names if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks its weights: {', '.join(missing)}")
    return [folder / file for file in names]


def _public_base(folder: Path, made_from: str, base_model: str | None, adapter: bool) -> str | None:
    """Return the Hub id of the base; None if that is a folder here and not needed to load the model."""
    base = base_model or made_from
    if base_model and Path(base_model).exists():
        raise ValueError(f"--base_model is the Hub id of a published model, not the folder {base_model}")
    if not Path(base).exists() and not Path(base).is_absolute() and base.count("/") <= 1:
        return base
    if adapter:
        raise ValueError(
            f"{folder} is an adapter of the folder {base}, which nobody else has: publish that first, "
            f"`clear-unlearning push {base} --repo_id NAMESPACE/ORIGINAL --licence LICENCE`, then give "
            "--base_model NAMESPACE/ORIGINAL"
        )
    return None


def _with_base(path: Path, base: str | None) -> bytes:
    """Return an adapter's or model's config that names no folder of ours."""
    content = json.loads(path.read_text())
    for key in ("base_model_name_or_path", "_name_or_path"):
        if key in content:
            content[key] = base
    return (json.dumps(content, indent=2) + "\n").encode()


def _card_settings(record: Mapping[str, Any], dataset: Mapping[str, Any], base: str | None) -> dict[str, Any]:
    """Return how the model was made, without the places of a local disk."""
    settings = {key: value for key, value in record["settings"].items() if key not in ("data", "recipe", "digests")}
    names = {"held_out": Path(settings["held_out"]).name} if settings.get("held_out") else {}
    source = dataset.get("source")
    here = source is not None and not dataset.get("revision")
    about = {**dataset, **({"source": Path(source).name} if here and source else {})}
    own = {key: record[key] for key in ("steps", "seconds", "hardware", "versions") if key in record}
    return {**settings, "model": base, **names, "dataset": about, **own}


def _scores(folder: Path, log: Path, golds: Sequence[Path], original: Path | None) -> list[Score]:
    """Return the numbers of the model's log.

    Raises:
        ValueError: If the log is of another model.
    """
    scores = score_log(log, golds[0] if golds else None, golds[1:], original=original)
    meta = read_meta(log)
    if meta.get("floor"):
        raise ValueError(
            f"{log} is of floor {meta['floor']['name']}, not of the model alone; evaluate without --floor"
        )
    if meta.get("model_digest") != model_digest(str(folder)):
        raise ValueError(f"{log} is of the model {meta.get('model')} as it was when it was scored, not of {folder}")
    found = [
        Score(column.key, column.name or column.heading, scores[column.key], scores["intervals"].get(column.key))
        for column in shown_columns(CARD)
        if scores.get(column.key) is not None
    ]
    for task, values in scores["tasks"].items():
        key = task.removesuffix(".json")
        found.append(Score(f"rouge_{key}", f"ROUGE-L recall, {key}", values["rouge"]))
    return found
