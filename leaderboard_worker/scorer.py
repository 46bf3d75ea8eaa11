"""Score a claimed submission: fetch its files, run the scoring process, compare its log with gold's."""

import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from evaluate_metrics import VERSION
from evaluate_metrics.log_format import LOG_NAME, META_NAME, write_log
from evaluate_metrics.scores import score_log
from leaderboard_app.bases import Base, Bases
from leaderboard_app.intake.hub_repository import Repository, open_repository
from leaderboard_app.intake.submission import clean_text
from leaderboard_app.intake.submission_checks import SubmissionChecks, weights_digest
from leaderboard_app.store.store import Submission
from leaderboard_app.store.worker_queue import Job, LeaseLost

from .files import build_submitted, local_copy, public_log_meta, rows_identity
from .hidden_items import Asked, forgotten_people, hidden_numbers, people_of
from .identity import identify
from .process import DONE, HIDDEN, MOST_WORDS, PUBLIC, REFUSED, REFUSED_CODE, Refusal, ScoringJob, read_lineage
from .progress import watched
from .references import ReferenceStore, keep_reference, read_content
from .sandbox import BadOutput, last_words, read_output, remove_left, run_isolated
from .weights_digest import model_digest
from .worker_settings import SetupError, WorkerSettings

Rows = tuple[Path, Path | None]  # local copies of the dataset and of the hidden items

LIBRARIES = ("torch", "transformers", "peft", "datasets", "safetensors", "numpy")

MEGABYTE = 2**20
MOST_LOG, MOST_META = 512 * MEGABYTE, 64 * MEGABYTE  # bytes that are read of a file


@dataclass(frozen=True)
class Result:
    """What the store keeps of a scored submission."""

    numbers: dict[str, Any]
    log: dict[str, Any]
    meta: dict[str, Any]
    provenance: dict[str, Any]


class SubmissionScorer:
    """Score submissions on this machine. Originals, golds and data are fetched once, and golds scored once.

    Args:
        references: Where original and gold are published; None if the store is on another machine.
        bases: Rows of `bases.json`, with golds.
        settings: Settings of the worker.
        api: The Hub.
        tell: Is told how far the submission at hand is.
    """

    program = (sys.executable, "-m", "leaderboard_worker.process")  # it gets the folder of its job

    def __init__(
        self, references: ReferenceStore | None, bases: Bases, settings: WorkerSettings, api: HfApi,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        self.references, self.tell = references, tell
        self.bases, self.settings, self.api = bases, settings, api
        self.checks = SubmissionChecks(bases, api)
        self.work = settings.work.resolve()

    def score(self, job: Job, lost: Callable[[], bool]) -> Result:
        """Download, check and score a submission.

        Args:
            job: The claimed submission.
            lost: Returns whether the lease has been lost.

        Raises:
            Refusal: If the submission breaks a rule.
            SetupError: If an original, a gold or the data cannot be had.
            ConnectionError: If the Hub fails.
            TimeoutError, MemoryError: If scoring needs too much.
            BadOutput: If the scoring process left something else than its results.
            RuntimeError: If scoring ends otherwise.
        """
        submission, started = job.submission, time.time()
        base = self.base_of(submission)
        repository = self.checked(submission)
        jobs = self.work / "jobs"
        for old in jobs.glob(f"{job.id}-*"):  # left by a worker that died
            remove_left(old)
        folder = jobs / f"{job.id}-{job.attempt}-{self.settings.name}"
        self.tell("fetching original, golds and data")
        original = self._local(base.original, commit=base.commit)
        golds = [self._local(gold) for gold in base.golds[submission.forget]]
        dataset = self._local(base.dataset, "dataset")
        rows = (dataset, self._local(base.hidden, "dataset") if base.hidden else None)
        references = [self._reference(base, submission.forget, "gold", place, rows, lost) for place in golds]
        references.append(self._reference(base, submission.forget, "original", original, rows, lost))
        logs = [place / PUBLIC for place in references]
        if self.references:
            for role, log in (("gold", logs[0]), ("original", logs[-1])):
                all_logs, who = [log, *logs], self.settings.name
                keep_reference(self.references, role, base, submission.forget, all_logs, dataset, who)
        try:
            prepared = time.time()
            self.tell("downloading the model")
            model = _submitted(repository, submission.kind, base, original, folder / "model")
            digest = model_digest(model)
            downloaded = time.time()
            work = self._job(base, submission.forget, model, rows)
            work = ScoringJob(**{**vars(work), "original": str(original), "golds": [str(place) for place in golds]})
            seconds = self._run(work, folder, lost)
            seconds |= {"references": prepared - started, "download": downloaded - prepared}
            seconds |= {"all": time.time() - started}
            seconds = {name: round(value, 2) for name, value in seconds.items()}
            return self._result(job, base, folder, references, rows, {"weights": digest, "seconds": seconds})
        finally:
            remove_left(folder)

    def _local(self, source: str, kind: str = "model", commit: str | None = None) -> Path:
        try:
            return local_copy(self.api, source, self.work / "copies", kind, commit)
        except ValueError as error:
            raise SetupError(str(error)) from error

    def base_of(self, submission: Submission) -> Base:
        """Return the row of the bases that a submission belongs to.

        Raises:
            Refusal: If there is none.
        """
        base = self.bases.get(submission.base_model)
        if base is None or submission.forget not in base.forget:
            raise Refusal(f"{submission.base_model}, {submission.forget}: not on this leaderboard")
        return base

    def checked(self, submission: Submission) -> Repository:
        """Repeat the checks on the repository as it is now, and return it.

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
            str(model), str(dataset), forget, base.track, hidden=str(hidden) if hidden else None,
            max_examples=base.max_examples, batch_size=base.batch_size, dtype=base.dtype,
        )  # fmt: skip

    def _run(self, work: ScoringJob, folder: Path, lost: Callable[[], bool]) -> dict[str, float]:
        """Run a job in a process of its own, and return the seconds of its steps."""
        folder.mkdir(parents=True, exist_ok=True)
        work.write(folder)
        output = folder.with_name(f"{folder.name}.txt")
        command = [*self.program, str(folder)]
        readable = [
            Path(place) for place in (work.model, work.dataset, work.hidden, work.original, *work.golds) if place
        ]
        stopped = watched(folder, self.tell, lost, "" if work.original else "first, once for all, original or gold: ")
        try:
            code = run_isolated(
                command, folder, output, self.settings.limits, self.settings.isolated, readable, stopped=stopped
            )
            said = last_words(output)
        finally:
            output.unlink(missing_ok=True)
        if lost():
            raise LeaseLost("another worker has it, or it was withdrawn")
        if code == REFUSED_CODE:
            raise Refusal(clean_text(read_output(folder, REFUSED, MOST_WORDS).get("reason"))[:500])
        if code != 0:
            last = clean_text((said.strip().splitlines() or [""])[-1])[:300]
            if "MemoryError" in said or "can't allocate memory" in said or code == -signal.SIGKILL:
                raise MemoryError(f"scoring needs more than {self.settings.limits.memory:g} GB: {last}")
            raise RuntimeError(f"scoring ended with {code}: {last}")
        seconds = read_output(folder, DONE, MOST_WORDS).get("seconds")
        if not isinstance(seconds, dict) or not all(type(value) in (int, float) for value in seconds.values()):
            raise BadOutput(f"{DONE} has no seconds of its steps")
        return {clean_text(step)[:40]: float(value) for step, value in list(seconds.items())[:9]}

    def _reference(
        self, base: Base, forget: str, role: str, model: Path, rows: Rows, lost: Callable[[], bool]
    ) -> Path:
        """Return the folder with the logs of a gold or original model, scored first if it is not there."""
        which = [rows_identity(place) for place in rows if place]
        what = json.dumps([asdict(base), forget, VERSION, which, os.path.relpath(model, self.work)], sort_keys=True)
        place = self.work / "references" / f"{role}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"
        if not place.is_dir():
            part = place.with_name(f"{place.name}-{self.settings.name}.part")
            remove_left(part)
            try:
                self._run(self._job(base, forget, model, rows), part, lost)
            except Refusal as error:
                raise SetupError(f"the {role} model of {base.base_model} cannot be scored: {error}") from error
            try:
                part.rename(place)
            except OSError:  # another worker was faster
                remove_left(part)
        return place

    def _result(
        self,
        job: Job,
        base: Base,
        folder: Path,
        references: Sequence[Path],
        rows: Rows,
        known: Mapping[str, Any],
    ) -> Result:
        """Compute the numbers from the logs, the golds' and then the original's beside them, and record where from."""
        submission, dataset = job.submission, rows[0]
        log = read_output(folder, f"{PUBLIC}/{LOG_NAME}", MOST_LOG)
        meta = read_output(folder, f"{PUBLIC}/{META_NAME}", MOST_META)
        lineage = read_lineage(folder)
        with tempfile.TemporaryDirectory() as taken:  # of what was read: files of the process may change
            write_log(Path(taken), log, meta)
            golds = [place / PUBLIC for place in references[:-1]]
            numbers = score_log(Path(taken), golds[0], golds[1:], original=references[-1] / PUBLIC)
        *known_golds, known_original = [read_content(place / PUBLIC)[0] for place in references]
        public = asked = Asked(log, known_golds, known_original, people_of(read_content(references[0] / PUBLIC)[1]))
        if rows[1]:
            of, *golden, first = (read_output(place, HIDDEN, MOST_LOG) for place in (folder, *references))
            people = forgotten_people(rows[1], dataset, submission.forget, base.max_examples)
            asked = Asked(of, golden, first, people)
            found = hidden_numbers(asked, public)
            numbers["intervals"]["hidden_gap"] = found.pop("hidden_gap_interval")
            numbers |= found
        same = identify(asked.submission, asked.golds, asked.original)
        if same.refusal:
            raise Refusal(same.refusal)
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
            "lineage": lineage,
            "identity": asdict(same),
            **known,
        }
        return Result(numbers, log, about, provenance)


def _submitted(repository: Repository, kind: str, base: Base, original: Path, folder: Path) -> Path:
    try:
        return build_submitted(repository, kind, base, original, folder)
    except ValueError as error:
        raise Refusal(str(error)) from error
