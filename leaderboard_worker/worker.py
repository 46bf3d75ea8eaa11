"""The worker of the leaderboard: claim the oldest submission, have it scored, write the result.

Several workers may share a store. A worker holds a submission by a lease that a thread renews. If the worker dies, the
lease ends and another worker claims the submission.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from huggingface_hub import HfApi
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from evaluate_metrics import VERSION
from leaderboard_app.bases import Bases
from leaderboard_app.store.worker_queue import Job, LeaseLost, Queue

from .cage import isolation_problem
from .hub_jobs import HubScorer, HubSettings
from .process import Refusal
from .references import ReferenceStore
from .scorer import Result, SubmissionScorer
from .worker_settings import SetupError, WorkerSettings

LOOK = 2.0  # seconds between two looks at how far a submission is
TRANSIENT = (ConnectionError, sqlite3.OperationalError)  # of a store: it may work again in a moment


class Scorer(Protocol):
    """What scores a claimed submission: `SubmissionScorer` on this machine, or `HubScorer` on the Hub's."""

    def score(self, job: Job, lost: Callable[[], bool]) -> Result: ...  # noqa: D102


class Worker:
    """Work through a queue.

    Args:
        queue: The store, or that of a page on another machine.
        bases: Rows of `bases.json`, with golds.
        settings: Settings of the worker.
        api: The Hub.
        say: Receives a line for each event.
        hub: How to start jobs on the Hub; None scores on this machine.
        references: Where original and gold are published; None if the store is on another machine.

    Raises:
        ValueError: If this machine cannot run the sandbox although it should, or a base has no gold.
    """

    def __init__(
        self,
        queue: Queue,
        bases: Bases,
        settings: WorkerSettings,
        api: HfApi,
        say: Callable[[str], None],
        hub: HubSettings | None = None,
        references: ReferenceStore | None = None,
    ) -> None:
        problem = isolation_problem() if settings.isolated and hub is None else None
        if problem:
            raise ValueError(
                f"submitted models cannot be isolated on this machine ({problem}); --no_isolation scores them without "
                "a sandbox: use it only on a machine that holds nothing of value"
            )
        for base in bases.values():
            if missing := [forget for forget in base.forget if not base.golds.get(forget)]:
                raise ValueError(f"{base.base_model} has no gold model of {', '.join(missing)}; add it to bases.json")
        known = queue.metric_version()
        if int(known) > int(VERSION):
            raise ValueError(f"the store is at version {known} of the metrics, this worker at {VERSION}: update it")
        self.queue, self.settings, self.say, self.progress = queue, settings, say, ""
        self._at_first = "" if hub is None else "a job on the Hub scores it"
        self.scorer: Scorer = (
            SubmissionScorer(references, bases, settings, api, self.tell)
            if hub is None
            else HubScorer(references, bases, settings, hub, api)
        )
        if (again := queue.requeue_all(VERSION, settings.name)) > 0:
            say(f"the metrics are at version {VERSION} now: {again} submissions are scored again")

    def tell(self, progress: str) -> None:
        """Say in words how far the submission at hand is; the store has it with the next heartbeat."""
        self.progress = progress

    def work_once(self) -> str | None:
        """Claim one submission and finish it.

        Returns:
            How it ended: `scored`, `refused`, `failed` or `given up`; None if none waits.

        Raises:
            SetupError: If the keeper's setup does not work; the submission goes back to the queue.
            Exception: If no submission can be claimed.
        """
        job = self._patiently(self.queue.claim, self.settings.name, self.settings.lease)
        if job is None:
            return None
        what = f"submission {job.id} ({job.submission.repo_id}@{job.submission.commit[:8]})"
        self.say(f"{what}: claimed, attempt {job.attempt}")
        try:
            with self._heartbeat(job.id) as lost:
                end, why = self._work(job, lost)
        except LeaseLost as error:
            end, why = "given up", str(error)
        except TRANSIENT as error:  # for a whole lease; whoever claims it next, it is in the store as it was
            end, why = "given up", f"its end could not be written down ({type(error).__name__}: {error})"
        except BaseException as error:
            with suppress(LeaseLost, *TRANSIENT):
                reason = f"the worker stopped: {type(error).__name__}"
                self.queue.fail(job.id, self.settings.name, reason, retry=True)
            raise
        self.say(f"{what}: {end}, {why}")
        return end

    def work(self, once: bool = False, pause: float = 10) -> None:
        """Work until interrupted, or with `once` until none waits; pause after a failure and on an empty queue.

        Raises:
            SetupError: If the keeper's setup does not work.
        """
        while True:
            try:
                end = self.work_once()
            except SetupError:
                raise
            except Exception as error:  # a store or page that is away for long comes back, and the worker is there
                self.say(f"the store or page does not answer as it should ({type(error).__name__}: {error})")
                if once:
                    raise
                end = "failed"
            if end is None and once:
                return
            if end in (None, "failed", "given up"):
                time.sleep(pause)

    def _work(self, job: Job, lost: Callable[[], bool]) -> tuple[str, str]:
        """Score a submission and record the end; return how it ended, and why or in what time."""
        name = self.settings.name
        try:
            result = self.scorer.score(job, lost)
            end = (result.numbers, result.log, result.meta, result.provenance)
            self._patiently(self.queue.finish, job.id, name, *end)
        except (LeaseLost, SetupError):
            raise
        except Refusal as error:
            self._patiently(self.queue.refuse, job.id, name, str(error)[:1000])
            return "refused", str(error)
        except Exception as error:  # whatever a submission causes ends that submission, not the worker
            again = isinstance(error, OSError | RuntimeError | sqlite3.Error) and not isinstance(error, TimeoutError)
            known = isinstance(error, ConnectionError | RuntimeError | TimeoutError | MemoryError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            self._patiently(self.queue.fail, job.id, name, reason[:1000], again)
            return "failed", reason
        return "scored", f"in {result.provenance['seconds']['all']:g} s"

    def _patiently(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call the queue; repeat the call for as long as a lease where the store fails for a moment."""
        again = Retrying(
            retry=retry_if_exception_type(TRANSIENT), wait=wait_exponential(0.5, max=self.settings.lease / 3),
            stop=stop_after_delay(self.settings.lease), reraise=True,
        )  # fmt: skip
        return again(call, *arguments)

    @contextmanager
    def _heartbeat(self, number: int) -> Iterator[Callable[[], bool]]:
        """Renew the lease of a submission meanwhile, and say how far it is.

        Yields:
            A function that returns whether the lease is lost.
        """
        done, lost, lease = threading.Event(), threading.Event(), self.settings.lease
        self.progress = self._at_first

        def beat() -> None:
            renewed, tried, said = time.monotonic(), time.monotonic(), ""
            while not done.wait(min(lease / 3, LOOK)):
                if self.progress == said and time.monotonic() - tried < lease / 3 - LOOK:
                    continue
                tried, said = time.monotonic(), self.progress
                try:
                    self.queue.heartbeat(number, self.settings.name, lease, said)
                    renewed = time.monotonic()
                except LeaseLost:
                    lost.set()
                except Exception as error:  # the store may be back before the lease ends
                    self.say(f"submission {number}: no heartbeat ({type(error).__name__}: {error})")
                    if time.monotonic() - renewed > lease:
                        lost.set()
                if lost.is_set():
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield lost.is_set
        finally:
            done.set()
            thread.join()
