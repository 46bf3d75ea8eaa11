"""Score submissions on the Hub's machines: one job for each submission, whose answer comes by a private dataset.

`HubScorer` starts and watches jobs. A job runs `python -m leaderboard_worker.hub_jobs`: it reads its work from the
environment, scores as a worker does, and uploads the answer, also of a refusal or a failure. Logs of original and gold
stay in the dataset for the next job.
"""

import json
import os
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi, JobInfo, JobStage
from huggingface_hub.errors import LocalEntryNotFoundError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from clear_data.building.folder import META
from evaluate_metrics import VERSION
from leaderboard_app.bases import Base, Bases
from leaderboard_app.intake.hub_repository import hub_answers
from leaderboard_app.intake.submission import Submission, clean_text
from leaderboard_app.pages.details import dataset_key
from leaderboard_app.store.worker_queue import Job, LeaseLost

from .cage import isolation_problem
from .process import HIDDEN, PUBLIC, Refusal
from .references import AnswerReferences, ReferenceStore, is_current
from .sandbox import Limits
from .scorer import Result, SetupError, SubmissionScorer, WorkerSettings

WORK, ANSWER = "CLEAR_JOB", "answer.json"  # environment variable, file in the dataset
# Kinds of failure that an answer may name; the first that fits.
FAILURES = {
    kind.__name__: kind for kind in (SetupError, ConnectionError, TimeoutError, MemoryError, RuntimeError, ValueError)
}
MODELS = 4  # a job downloads and scores original, gold and submission
TRIES = 3  # of downloading an answer


@dataclass(frozen=True)
class HubSettings:
    """How to start jobs.

    Attributes:
        image: Docker image, or `hf.co/spaces/NAMESPACE/NAME`, in which this program is installed.
        results: Private dataset for answers; its namespace pays.
        token: Token of the jobs: reads what the bases name, writes to `results`. Never the keeper's own.
        flavor: Hardware.
        poll: Seconds between two looks at a job.
        patience: Seconds in which a job must start.
    """

    image: str
    results: str
    token: str
    flavor: str = "a10g-small"
    poll: float = 15
    patience: float = 3600


@dataclass(frozen=True)
class HubWork:
    """The work of a job, as it stands in its environment.

    Attributes:
        id: Number of the submission.
        attempt: How often it has been started.
        submission: Its fields.
        base: Its row of the bases.
        results: Dataset for the answer.
        place: Folder of the answer in that dataset.
        worker: Name of the worker that holds the submission.
        metrics: Version of the metrics that the worker expects.
        isolated: Run the scoring process in the sandbox.
        limits: Limits of the scoring process.
    """

    id: int
    attempt: int
    submission: dict[str, Any]
    base: dict[str, Any]
    results: str
    place: str
    worker: str
    metrics: str
    isolated: bool
    limits: dict[str, Any]


class HubScorer:
    """Score submissions by jobs, with the same method as `SubmissionScorer`.

    Args:
        references: Where original and gold are published; None if the store is on another machine.
        bases: Rows of `bases.json`; everything that they name is on the Hub.
        settings: Settings of the worker.
        hub: How to start jobs.
        api: The Hub, with a token that may start jobs.

    Raises:
        ValueError: If a job could not read something, or the results are public.
    """

    def __init__(
        self, references: ReferenceStore | None, bases: Bases, settings: WorkerSettings, hub: HubSettings, api: HfApi
    ) -> None:
        if not hub.token:
            raise ValueError("a job needs a token of its own, which reads what bases.json names and writes results")
        for base in bases.values():
            for source in (base.dataset, base.hidden, *(gold for golds in base.golds.values() for gold in golds)):
                if source and (Path(source).exists() or source.count("/") != 1):
                    raise ValueError(f"{base.base_model}: a job on the Hub cannot read {source}; give NAMESPACE/NAME")
        with hub_answers(f"dataset {hub.results}"):
            api.create_repo(hub.results, repo_type="dataset", private=True, exist_ok=True)
            if not api.repo_info(hub.results, repo_type="dataset").private:
                raise ValueError(f"{hub.results} must be private: it holds gold's answers to the hidden items")
        self.references, self.settings, self.hub, self.api = references, settings, hub, api
        self.checks = SubmissionScorer(references, bases, settings, api)
        self.namespace = hub.results.partition("/")[0]

    def score(self, job: Job, lost: Callable[[], bool]) -> Result:
        """Score as `SubmissionScorer.score` does; cancel the job on any error."""
        base, rows = self._pinned(self.checks.base_of(job.submission))
        self.checks.checked(job.submission)  # before a GPU is paid for
        place = f"jobs/{job.id}-{job.attempt}-{self.settings.name}"
        limits = asdict(self.settings.limits)
        work = HubWork(
            job.id, job.attempt, job.submission.as_dict(), asdict(base), self.hub.results, place, self.settings.name,
            VERSION, self.settings.isolated, limits,
        )  # fmt: skip
        try:
            with hub_answers(f"a job of {self.namespace}"):
                found = self.api.run_job(
                    image=self.hub.image,
                    command=["python", "-m", "leaderboard_worker.hub_jobs"],
                    env={WORK: json.dumps(asdict(work))},
                    secrets={"HF_TOKEN": self.hub.token},
                    flavor=self.hub.flavor,
                    timeout=MODELS * self.settings.limits.seconds,
                    namespace=self.namespace,
                )
        except ValueError as error:
            raise SetupError(str(error)) from error
        try:
            self._wait(found.id, lost)
        except BaseException:
            with suppress(ConnectionError, ValueError), hub_answers(f"job {found.id}"):
                self.api.cancel_job(job_id=found.id, namespace=self.namespace)
            raise
        return self._result(job, rows, self._answer(place, found.id), found)

    def _pinned(self, base: Base) -> tuple[Base, dict[str, Any]]:
        """Return the base at one commit of its dataset, and how a log names these rows."""
        repo_id, _, commit = base.dataset.partition("@")
        with hub_answers(f"dataset {base.dataset}"):
            commit = commit or str(self.api.repo_info(repo_id, repo_type="dataset").sha)
        stated = self._json(repo_id, META, commit) or {}
        rows = {"source": repo_id, "fingerprint": stated.get("fingerprint"), "revision": commit}
        return replace(base, dataset=f"{repo_id}@{commit}"), rows

    def _json(self, repo_id: str, name: str, commit: str | None = None) -> dict[str, Any] | None:
        """Read a file of a dataset; None if it does not exist."""
        try:
            with hub_answers(f"{repo_id}, {name}"), TemporaryDirectory() as folder:
                if not self.api.file_exists(repo_id, name, repo_type="dataset", revision=commit):
                    return None
                path = self.api.hf_hub_download(repo_id, name, repo_type="dataset", revision=commit, local_dir=folder)
                return json.loads(Path(path).read_text())
        except LocalEntryNotFoundError as error:  # the Hub failed between two calls
            raise ConnectionError(f"{repo_id}: {error}") from None

    def _wait(self, number: str, lost: Callable[[], bool]) -> None:
        """Wait until a job is completed; keep asking while the Hub fails."""
        started, stage = time.monotonic(), JobStage.SCHEDULING
        longest = self.hub.patience + MODELS * self.settings.limits.seconds
        while True:
            if lost():
                raise LeaseLost("another worker has it, or it was withdrawn")
            with suppress(ConnectionError):
                try:
                    with hub_answers(f"job {number}"):
                        status = self.api.inspect_job(job_id=number, namespace=self.namespace).status
                except ValueError as error:  # the job is gone, or the token is not valid any more
                    raise RuntimeError(str(error)) from None
                stage = status.stage
                if stage == JobStage.COMPLETED:
                    return
                if stage in (JobStage.CANCELED, JobStage.DELETED):
                    raise TimeoutError(f"job {number} was {stage.lower()} on the Hub")
                if stage == JobStage.ERROR:
                    raise self._error(number, status.message or "")
            waited = time.monotonic() - started
            if stage == JobStage.SCHEDULING and waited > self.hub.patience:
                raise RuntimeError(f"job {number} did not start in {self.hub.patience:g} seconds")
            if waited > longest:
                raise TimeoutError(f"job {number} took more than {longest:g} seconds")
            time.sleep(self.hub.poll)

    def _error(self, number: str, message: str) -> Exception:
        """Return what a job died of: the Hub's message, and the last line of its log."""
        if "timeout" in message.lower():
            limit = MODELS * self.settings.limits.seconds
            return TimeoutError(f"job {number} took more than {limit:g} seconds: {message}")
        lines: list[str] = []
        with suppress(ConnectionError, ValueError), hub_answers(f"job {number}"):
            lines = list(self.api.fetch_job_logs(job_id=number, namespace=self.namespace))
        last = next((line for line in reversed(lines) if line.strip()), "")
        return RuntimeError(f"job {number} failed: {clean_text(f'{message} {last}'.strip())[:300]}")

    def _answer(self, place: str, number: str) -> dict[str, Any]:
        """Download the answer of a job; try again while the Hub fails, since the work is done."""
        again = Retrying(
            retry=retry_if_exception_type(ConnectionError), wait=wait_fixed(self.hub.poll),
            stop=stop_after_attempt(TRIES), reraise=True,
        )  # fmt: skip
        answer = again(self._json, self.hub.results, f"{place}/{ANSWER}")
        if answer is None:
            raise RuntimeError(f"job {number} left no answer: is {self.hub.image} the right image?")
        return answer

    def _result(self, job: Job, rows: dict[str, Any], answer: dict[str, Any], found: JobInfo) -> Result:
        """Return the result of an answer if it is for this submission and these rows; publish its references."""
        if answer["end"] == "refused":
            raise Refusal(clean_text(answer["reason"])[:1000])
        if answer["end"] == "failed":
            raise FAILURES[answer["kind"]](f"job {found.id}: {clean_text(answer['reason'])[:500]}")
        about, meta, submission = answer["provenance"], answer["meta"], job.submission
        wanted = {name: getattr(submission, name) for name in ("repo_id", "commit", "weights_hash")}
        said = {name: about[name] for name in wanted} | {"dataset": meta["dataset"]}
        if wrong := {name: said[name] for name, value in (wanted | {"dataset": rows}).items() if said[name] != value}:
            raise RuntimeError(f"job {found.id} answers for another {', '.join(wrong)}: {json.dumps(wrong)}")
        key = (submission.base_model, submission.forget)
        for role, given in answer["references"].items():
            if self.references and not is_current(self.references, role, *key, dataset_key(given["meta"])):
                self.references.add_reference(role, *key, **given, who=self.settings.name)
                photos = {(config, row): b64decode(photo) for config, row, photo in answer["photos"]}
                self.references.add_photos(dataset_key(given["meta"]), photos)
        about |= {"hub_job": {"id": found.id, "image": self.hub.image, "flavor": self.hub.flavor}}
        return Result(answer["numbers"], answer["log"], meta, about)


def answer_of(work: HubWork, folder: Path, api: HfApi) -> dict[str, Any]:
    """Score a submission on the machine of the job.

    Returns:
        `end`: `scored` with the fields of a `Result`, original and gold as `references` by role, and `photos` of the
        examples as (config, row, base64); `refused` with its `reason`; `failed` with a key of FAILURES as `kind` and
        its `reason`.
    """
    base = Base(**{**work.base, "forget": tuple(work.base["forget"])})
    settings = WorkerSettings(folder, limits=Limits(**work.limits), isolated=work.isolated, name=work.worker)
    references = AnswerReferences()
    try:
        if work.metrics != VERSION:
            raise SetupError(f"the image has version {VERSION} of the metrics, the worker {work.metrics}: renew it")
        if work.isolated and (problem := isolation_problem()):
            raise SetupError(f"the Hub's machine cannot run the sandbox ({problem}); see --no_isolation")
        scorer = SubmissionScorer(references, {base.base_model: base}, settings, api)
        job = Job(work.id, Submission(**work.submission), work.attempt, 0, work.metrics)
        result = scorer.score(job, lambda: False)
    except Refusal as error:
        return {"end": "refused", "reason": str(error)}
    except Exception as error:  # the worker decides what it means for the submission
        kind = next((name for name, kind in FAILURES.items() if isinstance(error, kind)), "ValueError")
        return {"end": "failed", "kind": kind, "reason": str(error) or type(error).__name__}
    photos = [(*place, b64encode(photo).decode()) for place, photo in references.photos.items()]
    return {"end": "scored", **asdict(result), "references": references.rows, "photos": photos}


def main() -> int:
    """Do the work of the environment and upload the answer; the exit code is 0 also for a refusal or a failure."""
    work, folder, api = HubWork(**json.loads(os.environ[WORK])), Path("clear-work").resolve(), HfApi()
    with hub_answers(work.results):
        api.snapshot_download(work.results, repo_type="dataset", allow_patterns="references/*", local_dir=folder)
    answer = answer_of(work, folder, api)
    with hub_answers(work.results):
        if (folder / "references").is_dir():
            api.upload_folder(
                repo_id=work.results,
                repo_type="dataset",
                folder_path=folder / "references",
                path_in_repo="references",
                allow_patterns=[f"*/{PUBLIC}/*", f"*/{HIDDEN}"],
                ignore_patterns="*.part/*",
            )
        content = json.dumps(answer).encode()
        where = f"{work.place}/{ANSWER}"
        api.upload_file(repo_id=work.results, repo_type="dataset", path_or_fileobj=content, path_in_repo=where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
