"""From a claimed submission to its numbers: files, the scoring process, the gold's log, and where it all came from."""

import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from evaluate_metrics import VERSION
from evaluate_metrics.scores import score_log
from leaderboard_app.api.remote_queue import RemoteQueue
from leaderboard_app.bases import Base, Bases
from leaderboard_app.intake.hub_repository import Repository, open_repository
from leaderboard_app.intake.submission_checks import SubmissionChecks, weights_digest
from leaderboard_app.intake.submission_fields import clean_text
from leaderboard_app.store.store import LeaseLost, Store, Submission
from leaderboard_app.store.worker_queue import Job

from .files import build_submitted, local_copy, public_log_meta, rows_identity
from .hidden_items import hidden_numbers
from .references import References, keep_reference, read_content
from .sandbox import Limits, run_isolated
from .scoring_job import DONE, HIDDEN, LINEAGE, PUBLIC, REFUSED, REFUSED_CODE, ScoringJob

Rows = tuple[Path, Path | None]  # local copies of the dataset and of the hidden items

LIBRARIES = ("torch", "transformers", "peft", "datasets", "safetensors", "numpy")


class Refusal(Exception):
    """The submission breaks a rule."""


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker works.

    Attributes:
        work: Folder for downloads and jobs.
        lease: Seconds for which a submission is held without a sign of life.
        limits: Of the scoring process.
        isolated: Cut the scoring process off; off only for machines that cannot.
        name: Of the worker; no other process has it.
        secrets: Further files and folders that the scoring process must not read.
    """

    work: Path
    lease: float = 120
    limits: Limits = field(default_factory=Limits)
    isolated: bool = True
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() % 10**6}")
    secrets: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Result:
    """What the store is given of a scored submission."""

    numbers: dict[str, Any]
    log: dict[str, Any]
    meta: dict[str, Any]
    provenance: dict[str, Any]


class SubmissionScorer:
    """Scores submissions; originals, golds, data and the golds' logs are fetched and made once.

    Args:
        store: Gets the references, if it is on this machine.
        bases: Rows of `bases.json`, with golds.
        settings: How to work.
        api: The Hub.
    """

    def __init__(
        self, store: Store | RemoteQueue | References, bases: Bases, settings: WorkerSettings, api: HfApi
    ) -> None:
        self.store = None if isinstance(store, RemoteQueue) else store
        self.bases, self.settings, self.api = bases, settings, api
        self.checks = SubmissionChecks(bases, api)
        self.work = settings.work.resolve()

    def score(self, job: Job, lost: Callable[[], bool]) -> Result:
        """Downloads, checks and scores a submission.

        Args:
            job: The submission, claimed.
            lost: Whether the lease is lost meanwhile.

        Raises:
            Refusal: If the submission breaks a rule.
            ConnectionError: If the Hub fails.
            TimeoutError, MemoryError: If scoring needs too much.
            RuntimeError: If scoring ends otherwise.
        """
        submission, started = job.submission, time.time()
        base = self.base_of(submission)
        repository = self.checked(submission)
        jobs = self.work / "jobs"
        for old in jobs.glob(f"{job.id}-*"):  # of a worker that died
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink(missing_ok=True)
        folder = jobs / f"{job.id}-{job.attempt}-{self.settings.name}"
        original = self._local(base.original, commit=base.commit)
        golds = [self._local(gold) for gold in base.golds[submission.forget]]
        dataset = self._local(base.dataset, "dataset")
        rows = (dataset, self._local(base.hidden, "dataset") if base.hidden else None)
        gold = self._reference(base, submission.forget, "gold", golds[0], rows, lost)
        self._reference(base, submission.forget, "original", original, rows, lost, gold)
        try:
            prepared = time.time()
            model = _submitted(repository, submission.kind, base, original, folder / "model")
            downloaded = time.time()
            work = self._job(base, submission.forget, model, rows)
            work = ScoringJob(**{**vars(work), "original": str(original), "golds": [str(place) for place in golds]})
            seconds = self._run(work, folder, lost)
            seconds |= {
                "references": prepared - started,
                "download": downloaded - prepared,
                "all": time.time() - started,
            }
            seconds = {name: round(value, 2) for name, value in seconds.items()}
            return self._result(job, base, folder, gold, dataset, seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _local(self, source: str, kind: str = "model", commit: str | None = None) -> Path:
        return local_copy(self.api, source, self.work / "copies", kind, commit)

    def base_of(self, submission: Submission) -> Base:
        """The row of the bases that a submission is compared by.

        Raises:
            Refusal: If there is none.
        """
        base = self.bases.get(submission.base_model)
        if base is None or submission.forget not in base.forget:
            raise Refusal(f"{submission.base_model}, {submission.forget}: not on this leaderboard")
        return base

    def checked(self, submission: Submission) -> Repository:
        """The repository as it is now, checked again.

        Raises:
            Refusal: If it breaks a rule.
            ConnectionError: If the Hub fails.
        """
        try:
            repository = open_repository(self.api, submission.repo_id, submission.commit)
        except ValueError as error:
            raise Refusal(str(error)) from error
        if problems := self.checks.problems(repository, submission.as_dict()):
            raise Refusal("; ".join(problems)[:1000])
        if submission.weights_hash and weights_digest(repository) != submission.weights_hash:
            raise Refusal("the weights are not those that were submitted")
        return repository

    def _job(self, base: Base, forget: str, model: Path, rows: Rows) -> ScoringJob:
        dataset, hidden = rows
        return ScoringJob(
            model=str(model),
            dataset=str(dataset),
            forget=forget,
            track=base.track,
            hidden=str(hidden) if hidden else None,
            max_examples=base.max_examples,
            batch_size=base.batch_size,
            dtype=base.dtype,
        )

    def _run(self, work: ScoringJob, folder: Path, lost: Callable[[], bool]) -> dict[str, float]:
        """Has a job done in a process of its own, and returns its seconds."""
        folder.mkdir(parents=True, exist_ok=True)
        work.write(folder)
        output = folder.with_name(f"{folder.name}.txt")
        command = [sys.executable, "-m", "leaderboard_worker.scoring_process", str(folder)]
        path = self.store.path if self.store else None
        stores = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")] if path else []
        secrets = (*stores, *self.settings.secrets)
        try:
            code = run_isolated(
                command, folder, output, self.settings.limits, self.settings.isolated, secrets, stopped=lost
            )
            said = output.read_bytes()[-20_000:].decode("utf-8", "replace")
        finally:
            output.unlink(missing_ok=True)
        if lost():
            raise LeaseLost("another worker has it, or it was withdrawn")
        if code == REFUSED_CODE and (folder / REFUSED).is_file():
            raise Refusal(clean_text(json.loads((folder / REFUSED).read_text())["reason"])[:500])
        if code != 0 or not (folder / DONE).is_file():
            last = clean_text((said.strip().splitlines() or [""])[-1])[:300]
            if "MemoryError" in said or "can't allocate memory" in said or code == -signal.SIGKILL:
                raise MemoryError(f"scoring needs more than {self.settings.limits.memory:g} GB: {last}")
            raise RuntimeError(f"scoring ended with {code}: {last}")
        return json.loads((folder / DONE).read_text())["seconds"]

    def _reference(
        self,
        base: Base,
        forget: str,
        role: str,
        model: Path,
        rows: Rows,
        lost: Callable[[], bool],
        gold: Path | None = None,
    ) -> Path:
        """The folder with the logs of a gold or original model, which are made if they are not there."""
        which = [rows_identity(place) for place in rows if place]
        what = json.dumps([asdict(base), forget, VERSION, which, os.path.relpath(model, self.work)], sort_keys=True)
        place = self.work / "references" / f"{role}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"
        if not place.is_dir():
            part = place.with_name(f"{place.name}-{self.settings.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            self._run(self._job(base, forget, model, rows), part, lost)
            try:
                part.rename(place)
            except OSError:  # another worker was faster
                shutil.rmtree(part)
        if self.store:
            logs = (place / PUBLIC, (gold or place) / PUBLIC)
            keep_reference(self.store, role, base, forget, logs, rows[0], self.settings.name)
        return place

    def _result(
        self, job: Job, base: Base, folder: Path, gold: Path, dataset: Path, seconds: dict[str, float]
    ) -> Result:
        """Numbers from the logs, and where they come from."""
        submission = job.submission
        log, meta = read_content(folder / PUBLIC)
        numbers = score_log(folder / PUBLIC, gold / PUBLIC)
        if (folder / HIDDEN).is_file():
            hidden, golden = (json.loads((place / HIDDEN).read_text()) for place in (folder, gold))
            numbers |= hidden_numbers(hidden, golden, numbers["forget_quality_statistic"])
        about = public_log_meta(
            meta,
            base.dataset,
            dataset,
            model=submission.repo_id,
            commit=submission.commit,
            method=submission.method,
            lineage={**meta.get("lineage", {}), "base_model": submission.base_model, "role": "unlearned"},
        )
        provenance = {
            "repo_id": submission.repo_id,
            "commit": submission.commit,
            "weights_hash": submission.weights_hash,
            "original": f"{base.original}@{base.commit}",
            "golds": [Path(gold).name if Path(gold).is_dir() else gold for gold in base.golds[submission.forget]],
            "dataset": about["dataset"],
            "metrics": VERSION,
            "versions": {name: version(name) for name in LIBRARIES},
            "worker": self.settings.name,
            "isolated": self.settings.isolated,
            "settings": {name: getattr(base, name) for name in ("dtype", "batch_size", "max_examples")},
            "lineage": json.loads((folder / LINEAGE).read_text()),
            "seconds": seconds,
        }
        return Result(numbers, log, about, provenance)


def _submitted(repository: Repository, kind: str, base: Base, original: Path, folder: Path) -> Path:
    try:
        return build_submitted(repository, kind, base, original, folder)
    except ValueError as error:
        raise Refusal(str(error)) from error
