"""Runs brought to the leaderboard: a finished demo as verified rows, references from logs, photos of the examples."""

import hashlib
import json
from pathlib import Path

from clear_pipeline.experiment.demo import DIALS_FILE
from clear_pipeline.experiment.recipe import demo_recipe
from clear_pipeline.hub.logs import public_meta
from clear_pipeline.runs.run_folder import read_run
from evaluate_metrics.log_format import read_log, read_meta
from evaluate_metrics.scores import score_log
from leaderboard_app.pages.examples import dataset_key
from leaderboard_app.store.store import DuplicateSubmission, Store, Submission

from .example_photos import example_photos
from .references import read_content

WORKER = "demo"


def import_demo(store: Store, folder: Path) -> list[int]:
    """Brings a finished demo to the store: original and gold as references, each method as a verified row.

    Rows that are there already are left alone.

    Args:
        store: The store; its queue must be empty.
        folder: Of the demo.

    Returns:
        Numbers of the new rows.

    Raises:
        FileNotFoundError: If the folder holds no finished demo.
        ValueError: If submissions are waiting, or a log is not valid.
    """
    if not (folder / DIALS_FILE).is_file():
        raise FileNotFoundError(f"{folder} holds no finished demo ({DIALS_FILE} is missing); `make demo` runs one")
    dials = json.loads((folder / DIALS_FILE).read_text())
    logs, data = folder / "logs", folder / "data" / demo_recipe(dials["corpus"]).folder
    for kind in ("original", "gold"):
        add_reference(store, kind, logs / kind, logs / "gold", data)
    queue = Store(store.path, quota=1000)  # a demo has as many methods as it likes
    made = []
    for method in dials["methods"]:
        meta, record = public_meta(read_meta(logs / method)), read_run(folder / "models" / method) or {}
        # A demo's models are on no Hub: what stands for the commit is a digest of data, method and settings.
        about = json.dumps([meta["dataset"]["fingerprint"], method, record.get("settings")], sort_keys=True)
        commit = hashlib.sha1(about.encode(), usedforsecurity=False).hexdigest()
        submission = Submission(
            user="demo", repo_id=f"demo/{method.replace('_', '-')}", commit=commit, kind="full",
            base_model=meta["lineage"]["base_model"], method=method, forget=dials["forget"], modality="both",
            licence="apache-2.0", statement=True, data_used=f"the {dials['corpus']} corpus", seeds=str(dials["seed"]),
            contact="made by make demo",
        )  # fmt: skip
        try:
            number = queue.submit(submission)
        except DuplicateSubmission:
            continue
        job = store.claim(WORKER, 600.0)
        if job is None or job.id != number:
            raise ValueError("submissions are waiting in this store: a demo goes into a store of its own")
        scores = score_log(logs / method, logs / "gold")
        settings = {**record.get("settings", {})}
        if "model" in settings:  # not where it lies on this disk
            settings["model"] = Path(settings["model"]).name
        provenance = {"scored_by": "make demo", "settings": settings, "seconds": record.get("seconds")}
        store.finish(
            number, WORKER, scores, read_content(logs / method)[0], meta, {**provenance, "versions": meta["versions"]}
        )
        made.append(number)
    return made


def add_reference(store: Store, kind: str, log: Path, gold: Path, data: Path | str) -> None:
    """Sets the original or gold model of a base model and forget set, with the photos of its examples.

    Args:
        store: The store.
        kind: `original` or `gold`.
        log: Folder that `evaluate` wrote.
        gold: That of the gold model.
        data: Folder or Hub id of the dataset.

    Raises:
        FileNotFoundError: If there is no such log.
        ValueError: If it is not valid, or its metadata do not say what it is of.
    """
    read_log(log)
    content, meta = read_content(log)
    meta = public_meta(meta)
    base, forget = meta["lineage"].get("base_model"), meta.get("forget")
    if not base or not forget:
        raise ValueError(f"{log} does not say its base model and forget set; `clear-unlearning evaluate` writes them")
    store.add_reference(kind, base, forget, score_log(log, gold), content, meta)
    store.add_photos(dataset_key(meta), example_photos(content, meta, data))
