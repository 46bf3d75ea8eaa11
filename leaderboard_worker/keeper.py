"""What a keeper does: import a demo or a reference, publish the Space and the results dataset, restore a store."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import snapshot_download

from clear_data.publishing.hub_commit import Pushed, hub_errors, push_files
from clear_pipeline.audits import AUDITS
from clear_pipeline.audits.roles import AUDITED, GOLD
from clear_pipeline.experiment.demo import read_dials
from clear_pipeline.experiment.recipe import demo_recipe
from clear_pipeline.hub.logs import public_meta
from clear_pipeline.runs.provenance import model_digest
from clear_pipeline.runs.run_folder import read_run
from evaluate_metrics.log_format import read_log, read_meta
from evaluate_metrics.scores import score_log
from leaderboard_app.bases import read_bases
from leaderboard_app.intake.submission import Submission
from leaderboard_app.pages.details import dataset_key
from leaderboard_app.store.mirror import read_mirror, write_mirror
from leaderboard_app.store.store import DuplicateSubmission, Store

from .references import example_photos, read_content
from .weights_digest import model_digest as weights_of

ROOT = Path(__file__).parents[1]
SENT = (".py", ".css", ".js", ".jinja", ".txt", ".typed")  # of a room, to the Space
WORKER = "demo"
BASES = "bases.json"  # where `leaderboard_app/space_start.py` looks for it


def space_files(space: str, results: str) -> dict[str, Path | bytes]:
    """Return the files of the Space: two rooms without torch, a small app, its card and requirements.

    Args:
        space: `namespace/name` of the Space.
        results: `namespace/name` of the dataset with the results.
    """
    files: dict[str, Path | bytes] = {}
    for room in ("leaderboard_app", "evaluate_metrics"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and path.suffix in SENT and "__pycache__" not in path.parts:
                files[path.relative_to(ROOT).as_posix()] = path
    for name in ("README.md", "app.py", "requirements.txt"):
        text = (ROOT / "leaderboard_app" / "space" / f"{name}.txt").read_text()
        text = text.replace("SPACE", space).replace("RESULTS", results)
        files[name] = text.replace("GRADIO_VERSION", version("gradio")).encode()
    return files


def push_space(space: str, results: str, private: bool = False, bases: Path | None = None) -> Pushed:
    """Publish the Space in one commit.

    Args:
        space: `namespace/name` of the Space.
        results: `namespace/name` of the dataset with the results.
        private: Make a new repository private.
        bases: `bases.json`, without it the Space accepts no submissions.

    Raises:
        PermissionError, ValueError, FileNotFoundError, ConnectionError: As `push_files`.
    """
    files = space_files(space, results)
    if bases:
        read_bases(bases)
        files[BASES] = bases
    return push_files(space, "space", files, "The leaderboard", "leaderboard_app/*", private=private)


def push_results(store: Store, results: str, private: bool = False) -> Pushed:
    """Mirror the store to a dataset in one commit that holds only what changed; retry with backoff.

    Raises:
        PermissionError, ValueError, FileNotFoundError, ConnectionError: As `push_files`.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_mirror(store, Path(folder))
        files: dict[str, Path | bytes] = {
            path.relative_to(folder).as_posix(): path for path in sorted(Path(folder).rglob("*")) if path.is_file()
        }
        return push_files(results, "dataset", files, "Results of the leaderboard", "logs/*", private=private)


def restore(path: Path, results: str) -> int:
    """Rebuild an empty store from the dataset.

    Args:
        path: Of the store, which must be empty or missing.
        results: `namespace/name` of the dataset.

    Returns:
        The number of submissions.

    Raises:
        ValueError: If the store is not empty.
        PermissionError, FileNotFoundError, ConnectionError: If the Hub does not return it.
    """
    with tempfile.TemporaryDirectory() as folder, hub_errors(f"dataset {results}"):
        snapshot_download(results, repo_type="dataset", local_dir=folder)  # nosec B615: its newest commit is wanted
        return read_mirror(Store(path), Path(folder))


def import_demo(store: Store, folder: Path) -> list[int]:
    """Import a finished demo: original and gold as references, each method as a verified row.

    Rows that are in the store already stay as they are.

    Args:
        store: The store; its queue must be empty.
        folder: Folder of the demo.

    Returns:
        The numbers of the new submissions.

    Raises:
        FileNotFoundError: If the folder holds no finished demo.
        ValueError: If submissions are waiting, or a log is not valid.
    """
    dials = read_dials(folder)
    logs, data = folder / "logs", folder / "data" / demo_recipe(dials["corpus"]).folder
    golds = [logs / name for name in ("gold", *dials["golds"])]
    for kind in ("original", "gold"):
        add_reference(store, kind, logs / kind, golds, logs / "original", data)
    queue = Store(store.path, quota=1000)  # a demo may have many methods
    made = []
    for method in dials["methods"]:
        meta, record = public_meta(read_meta(logs / method)), read_run(folder / "models" / method) or {}
        # A demo's models are not on the Hub: a digest of data, method and settings replaces the commit.
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
            raise ValueError("submissions are waiting in this store; import a demo into an empty store: --store FILE")
        scores = score_log(logs / method, golds[0], golds[1:], original=logs / "original")
        settings = {**record.get("settings", {})}
        if "model" in settings:  # without its folder on this disk
            settings["model"] = Path(settings["model"]).name
        provenance = {"scored_by": "make demo", "settings": settings, "seconds": record.get("seconds")}
        store.finish(
            number, WORKER, scores, read_content(logs / method)[0], meta, {**provenance, "versions": meta["versions"]}
        )
        made.append(number)
    return made


def add_reference(
    store: Store, kind: str, log: Path, golds: Sequence[Path], original: Path | None, data: Path | str
) -> None:
    """Set the original or gold model of a base model and forget set, with the photos of its examples.

    Args:
        store: The store.
        kind: `original` or `gold`.
        log: Folder that `evaluate` wrote.
        golds: The gold models'.
        original: The original model's; without it E is not known.
        data: Folder or Hub id of the dataset.

    Raises:
        FileNotFoundError: If the log does not exist.
        ValueError: If the log is not valid, or its metadata lack base model or forget set.
    """
    read_log(log)
    content, meta = read_content(log)
    meta = public_meta(meta)
    base, forget = meta["lineage"].get("base_model"), meta.get("forget")
    if not base or not forget:
        raise ValueError(f"{log} does not name its base model and forget set; `clear-unlearning evaluate` writes them")
    store.add_reference(kind, base, forget, score_log(log, golds[0], golds[1:], original=original), content, meta)
    store.add_photos(dataset_key(meta), example_photos(content, meta, data))


def add_verdict(store: Store, number: int, folder: Path, keeper: str) -> dict[str, int]:
    """Keep what `clear-unlearning audit` has found in a submission's model, for its badge and its page.

    Args:
        store: The store.
        number: Of the submission.
        folder: What the audit wrote. The audited model must be where it was, and as it was.
        keeper: Who ran it.

    Returns:
        How many people have which light.

    Raises:
        FileNotFoundError: If the folder holds no finished audit.
        ValueError: If the audit is of something else than the submission's weights and forget set, or without a gold.
    """
    file = folder / "audit.json"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no finished audit; `clear-unlearning audit` writes audit.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    model, wanted = found["models"][AUDITED], store.submission(number).forget
    if found["data"]["forgotten"] != wanted:
        raise ValueError(f"{file} is about {found['data']['forgotten']}, submission {number} about {wanted}")
    if found["reference"] != GOLD:
        raise ValueError(f"{file} holds the model against {found['reference'] or 'nothing'}; audit it with --gold")
    place = Path(model["place"])
    if not place.is_dir() or model_digest(str(place)) != model["digest"]:
        raise ValueError(
            f"{place} is not the model that was audited, or no longer: download it into a folder, audit it"
        )
    verdict = {
        "people": len(found["people"]),
        "lights": found["lights"],
        "control": found["control"],
        "audits": [
            {
                "title": AUDITS[name].title,
                "score": own["score"],
                "interval": own["interval"],
                "share": own["share"],
                "above_gold": own["above_zero"],
                "above_gold_interval": own["above_zero_interval"],
            }
            for name, about in found["audits"].items()
            if (own := about["numbers"].get(AUDITED))
        ],
    }
    store.add_verdict(number, keeper, verdict, weights_of(place))
    return verdict["lights"]
