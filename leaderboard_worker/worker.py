"""The leaderboard's worker: claims the oldest submission, has it scored in a process of its own, writes the result.

Several may work on one store. A worker holds a submission by a lease that a thread renews; when it dies, the lease
runs out and another takes the submission up. Nothing that a submission says of itself is believed.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from huggingface_hub import HfApi

from evaluate_metrics import VERSION
from leaderboard_app.api.remote_queue import RemoteQueue
from leaderboard_app.bases import Bases
from leaderboard_app.store.store import LeaseLost, Store
from leaderboard_app.store.worker_queue import Job

from .remote.scorer import HubScorer, HubSettings
from .sandbox import isolation_problem
from .scorer import Refusal, SubmissionScorer, WorkerSettings

Say = Callable[[str], None]


class Worker:
    """Works through the queue of a store.

    Args:
        store: The store, or that of a page on another machine.
        bases: Rows of `bases.json`, with golds.
        settings: How to work.
        api: The Hub.
        say: Told what happens, a line each.
        hub: How jobs on the Hub are started; None scores on this machine.

    Raises:
        ValueError: If a process cannot be cut off here and it was not said that it need not, or a base has no gold.
    """

    def __init__(
        self,
        store: Store | RemoteQueue,
        bases: Bases,
        settings: WorkerSettings,
        api: HfApi,
        say: Say,
        hub: HubSettings | None = None,
    ) -> None:
        problem = isolation_problem() if settings.isolated and hub is None else None
        if problem:
            raise ValueError(
                f"submitted models cannot be cut off on this machine ({problem}); --no_isolation scores them without, "
                "which only a machine that has nothing to lose should do"
            )
        for base in bases.values():
            if missing := [forget for forget in base.forget if not base.golds.get(forget)]:
                raise ValueError(f"{base.base_model} has no gold model of {', '.join(missing)}")
        known = store.metric_version() if isinstance(store, Store) else VERSION
        if int(known) > int(VERSION):
            raise ValueError(f"the store is at version {known} of the metrics, this worker at {VERSION}: update it")
        self.store, self.settings, self.say = store, settings, say
        self.scorer = (
            SubmissionScorer(store, bases, settings, api)
            if hub is None
            else HubScorer(store, bases, settings, hub, api)
        )
        if (again := store.requeue_all(VERSION, settings.name)) > 0:
            say(f"the metrics are of version {VERSION} now: {again} submissions are scored again")

    def work_once(self) -> str | None:
        """Takes one submission to its end.

        Returns:
            How it ended: `scored`, `refused`, `failed` or `given up`; None if none waits.
        """
        job = self.store.claim(self.settings.name, self.settings.lease)
        if job is None:
            return None
        what = f"submission {job.id} ({job.submission.repo_id}@{job.submission.commit[:8]})"
        self.say(f"{what}: taken, attempt {job.attempt}")
        try:
            with self._heartbeat(job.id) as lost:
                end, why = self._work(job, lost)
        except LeaseLost as error:
            end, why = "given up", str(error)
        except BaseException as error:
            with suppress(LeaseLost):
                reason = f"the worker stopped: {type(error).__name__}"
                self.store.fail(job.id, self.settings.name, reason, retry=True)
            raise
        self.say(f"{what}: {end}, {why}")
        return end

    def work(self, once: bool = False, pause: float = 10) -> None:
        """Goes on until it is interrupted, or with `once` until none waits; pauses where the Hub or a model failed."""
        while True:
            end = self.work_once()
            if end is None and once:
                return
            if end in (None, "failed"):
                time.sleep(pause)

    def _work(self, job: Job, lost: Callable[[], bool]) -> tuple[str, str]:
        """Scores a submission, or ends it with the reason; returns how it ended, and why or in what time."""
        name = self.settings.name
        try:
            result = self.scorer.score(job, lost)
        except LeaseLost:
            raise
        except Refusal as error:
            self.store.refuse(job.id, name, str(error))
            return "refused", str(error)
        except (ConnectionError, RuntimeError, TimeoutError, MemoryError) as error:
            again = isinstance(error, ConnectionError | RuntimeError)
            self.store.fail(job.id, name, str(error), retry=again)
            return "failed", str(error)
        self.store.finish(job.id, name, result.numbers, result.log, result.meta, result.provenance)
        return "scored", f"in {result.provenance['seconds']['all']:g} s"

    @contextmanager
    def _heartbeat(self, number: int) -> Iterator[Callable[[], bool]]:
        """Renews the lease of a submission; gives whether it is lost."""
        done, lost = threading.Event(), threading.Event()

        def beat() -> None:
            while not done.wait(self.settings.lease / 3):
                try:
                    self.store.heartbeat(number, self.settings.name, self.settings.lease)
                except LeaseLost:
                    lost.set()
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield lost.is_set
        finally:
            done.set()
            thread.join()
