"""Scoring on the Hub's machines: a job per submission, watched from here, whose answer comes by a private dataset."""

import json
import time
from base64 import b64decode
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
from leaderboard_app.api.remote_queue import RemoteQueue
from leaderboard_app.bases import Base, Bases
from leaderboard_app.intake.hub_repository import hub_answers
from leaderboard_app.intake.submission_fields import clean_text
from leaderboard_app.pages.examples import dataset_key
from leaderboard_app.store.store import LeaseLost, Store
from leaderboard_app.store.worker_queue import Job
from leaderboard_worker.references import is_current
from leaderboard_worker.scorer import Refusal, Result, SubmissionScorer, WorkerSettings

from .job import ANSWER, FAILURES, WORK, HubWork

# A job scores original, gold and submission in turn, and downloads them.
MODELS = 4
TRIES = 3  # how often an answer is asked for


@dataclass(frozen=True)
class HubSettings:
    """How jobs are started.

    Attributes:
        image: Docker image, or `hf.co/spaces/NAMESPACE/NAME`, in which this program is installed.
        results: Private dataset for answers; its namespace is the one that pays.
        token: What jobs may do: read what the bases name, write to `results`. Never the keeper's own.
        flavor: Hardware.
        poll: Seconds between looks at a job.
        patience: Seconds in which a job must have started.
    """

    image: str
    results: str
    token: str
    flavor: str = "a10g-small"
    poll: float = 15
    patience: float = 3600


class HubScorer:
    """Has submissions scored by jobs, with the method of `SubmissionScorer`.

    Args:
        store: Gets the references, if it is on this machine.
        bases: Rows of `bases.json`; all that they name is on the Hub.
        settings: How to work.
        hub: How jobs are started.
        api: The Hub, with a token that may start jobs.

    Raises:
        ValueError: If a job could not reach something, or everybody could read the results.
    """

    def __init__(
        self, store: Store | RemoteQueue, bases: Bases, settings: WorkerSettings, hub: HubSettings, api: HfApi
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
                raise ValueError(f"{hub.results} must be private: what gold says of the hidden items lies there")
        self.store = store if isinstance(store, Store) else None
        self.bases, self.settings, self.hub, self.api = bases, settings, hub, api
        self.checks = SubmissionScorer(store, bases, settings, api)
        self.namespace = hub.results.partition("/")[0]

    def score(self, job: Job, lost: Callable[[], bool]) -> Result:
        """As `SubmissionScorer.score`; a job that is given up is cancelled."""
        base, rows = self._pinned(self.checks.base_of(job.submission))
        self.checks.checked(job.submission)  # before a GPU is paid for
        place = f"jobs/{job.id}-{job.attempt}-{self.settings.name}"
        limits = asdict(self.settings.limits)
        work = HubWork(
            job.id, job.attempt, job.submission.as_dict(), asdict(base), self.hub.results, place, self.settings.name,
            VERSION, self.settings.isolated, limits,
        )  # fmt: skip
        with hub_answers(f"a job of {self.namespace}"):
            found = self.api.run_job(
                image=self.hub.image,
                command=["python", "-m", "leaderboard_worker.remote.job"],
                env={WORK: json.dumps(asdict(work))},
                secrets={"HF_TOKEN": self.hub.token},
                flavor=self.hub.flavor,
                timeout=MODELS * self.settings.limits.seconds,
                namespace=self.namespace,
            )
        try:
            self._wait(found.id, lost)
        except BaseException:
            with suppress(ConnectionError, ValueError), hub_answers(f"job {found.id}"):
                self.api.cancel_job(job_id=found.id, namespace=self.namespace)
            raise
        return self._result(job, rows, self._answer(place, found.id), found)

    def _pinned(self, base: Base) -> tuple[Base, dict[str, Any]]:
        """A base at one commit of its dataset, and what a log of these rows says of them."""
        repo_id, _, commit = base.dataset.partition("@")
        with hub_answers(f"dataset {base.dataset}"):
            commit = commit or str(self.api.repo_info(repo_id, repo_type="dataset").sha)
        stated = self._json(repo_id, META, commit) or {}
        rows = {"source": repo_id, "fingerprint": stated.get("fingerprint"), "revision": commit}
        return replace(base, dataset=f"{repo_id}@{commit}"), rows

    def _json(self, repo_id: str, name: str, commit: str | None = None) -> dict[str, Any] | None:
        """A file of a dataset, None if there is none."""
        try:
            with hub_answers(f"{repo_id}, {name}"), TemporaryDirectory() as folder:
                if not self.api.file_exists(repo_id, name, repo_type="dataset", revision=commit):
                    return None
                path = self.api.hf_hub_download(repo_id, name, repo_type="dataset", revision=commit, local_dir=folder)
                return json.loads(Path(path).read_text())
        except LocalEntryNotFoundError as error:  # what a Hub that fails in between is called
            raise ConnectionError(f"{repo_id}: {error}") from None

    def _wait(self, number: str, lost: Callable[[], bool]) -> None:
        """Returns when a job is completed; a Hub that fails meanwhile is asked again."""
        started, stage = time.monotonic(), JobStage.SCHEDULING
        longest = self.hub.patience + MODELS * self.settings.limits.seconds
        while True:
            if lost():
                raise LeaseLost("another worker has it, or it was withdrawn")
            with suppress(ConnectionError):
                try:
                    with hub_answers(f"job {number}"):
                        status = self.api.inspect_job(job_id=number, namespace=self.namespace).status
                except ValueError as error:  # it is gone, or the token is no longer good
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
        """What a job died of: the Hub's word, and the last line that it printed."""
        if "timeout" in message.lower():
            limit = MODELS * self.settings.limits.seconds
            return TimeoutError(f"job {number} took more than {limit:g} seconds: {message}")
        lines: list[str] = []
        with suppress(ConnectionError, ValueError), hub_answers(f"job {number}"):
            lines = list(self.api.fetch_job_logs(job_id=number, namespace=self.namespace))
        last = next((line for line in reversed(lines) if line.strip()), "")
        return RuntimeError(f"job {number} failed: {clean_text(f'{message} {last}'.strip())[:300]}")

    def _answer(self, place: str, number: str) -> dict[str, Any]:
        """What a job has left; a Hub that fails is asked again, since the work is done."""
        again = Retrying(
            retry=retry_if_exception_type(ConnectionError), wait=wait_fixed(self.hub.poll),
            stop=stop_after_attempt(TRIES), reraise=True,
        )  # fmt: skip
        answer = again(self._json, self.hub.results, f"{place}/{ANSWER}")
        if answer is None:
            raise RuntimeError(f"job {number} left no answer: is {self.hub.image} the right image?")
        return answer

    def _result(self, job: Job, rows: dict[str, Any], answer: dict[str, Any], found: JobInfo) -> Result:
        """The result that a job answered with, if it is of this submission and of these rows.

        Original and gold that come with it go to the store.
        """
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
            if self.store and not is_current(self.store, role, *key, dataset_key(given["meta"])):
                self.store.add_reference(role, *key, **given, who=self.settings.name)
                photos = {(config, row): b64decode(photo) for config, row, photo in answer["photos"]}
                self.store.add_photos(dataset_key(given["meta"]), photos)
        about |= {"hub_job": {"id": found.id, "image": self.hub.image, "flavor": self.hub.flavor}}
        return Result(answer["numbers"], answer["log"], meta, about)
