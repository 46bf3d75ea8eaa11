"""The queue of a leaderboard on another machine, with the methods that a worker uses of `Store`."""

from collections.abc import Mapping
from typing import Any

from gradio_client import Client
from gradio_client.exceptions import AppError
from httpx import HTTPError

from .submission import Submission
from .worker_queue import Job, LeaseLost


class RemoteQueue:
    """Claims and ends submissions over HTTP.

    Args:
        url: Of the page, for example `https://org-clear-leaderboard.hf.space`.
        secret: The keeper's.

    Raises:
        ConnectionError: If the page does not answer.
    """

    def __init__(self, url: str, secret: str) -> None:
        self.url, self._secret = url, secret
        try:
            self._client = Client(url, verbose=False)
        except (OSError, ValueError, HTTPError) as error:
            raise ConnectionError(f"{url} does not answer as a leaderboard ({error})") from error

    def claim(self, worker: str, lease_seconds: float) -> Job | None:
        """As `Store.claim`."""
        found = self._call("claim", worker=worker, lease_seconds=lease_seconds)
        return found and Job(**{**found, "submission": Submission(**found["submission"])})

    def heartbeat(self, number: int, worker: str, lease_seconds: float) -> None:
        """As `Store.heartbeat`."""
        self._call("heartbeat", number=number, worker=worker, lease_seconds=lease_seconds)

    def finish(
        self,
        number: int,
        worker: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """As `Store.finish`."""
        self._call("finish", number=number, worker=worker, numbers=numbers, log=log, meta=meta, provenance=provenance)

    def refuse(self, number: int, worker: str, reason: str) -> None:
        """As `Store.refuse`."""
        self._call("refuse", number=number, worker=worker, reason=reason)

    def fail(self, number: int, worker: str, reason: str, retry: bool) -> None:
        """As `Store.fail`."""
        self._call("fail", number=number, worker=worker, reason=reason, retry=retry)

    def requeue_all(self, metric_version: str, who: str = "keeper") -> int:
        """As `Store.requeue_all`."""
        return self._call("requeue_all", metric_version=metric_version, who=who)

    def _call(self, call: str, **arguments: Any) -> Any:
        try:
            answer = self._client.predict(self._secret, call, arguments, api_name="/worker")
        except AppError as error:
            raise ValueError(f"{self.url}: {error}") from None
        except (OSError, ValueError, HTTPError) as error:
            raise ConnectionError(f"{self.url} does not answer ({error})") from error
        if "lost" in answer:
            raise LeaseLost(answer["lost"])
        return answer["answer"]
