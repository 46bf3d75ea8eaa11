"""The queue of a leaderboard on another machine, with the methods that a worker uses of `Store`."""

from collections.abc import Mapping
from typing import Any

from gradio_client import Client
from gradio_client.exceptions import AppError
from httpx import HTTPError

from leaderboard_app.intake.submission import REPO_ID, Submission
from leaderboard_app.store.worker_queue import Job, LeaseLost

from .request_gate import SECRET_HEADER


def open_page(url: str, token: str | None = None, headers: Mapping[str, str] | None = None) -> Client:
    """Return a client of a leaderboard's page.

    Args:
        url: Its address, or the id of its Space.
        token: Of the Hub, for those who submit.
        headers: Sent with each request.

    Raises:
        ValueError: If it is not an address.
        ConnectionError: If no leaderboard answers there.
    """
    if not url.startswith(("https://", "http://")) and not REPO_ID.fullmatch(url):
        raise ValueError(f"a leaderboard's address begins with https:// or http://; seen {url!r}")
    try:
        client = Client(url, token=token, headers=dict(headers or {}), verbose=False)
    except (OSError, ValueError, HTTPError) as error:
        raise ConnectionError(f"{url} does not answer as a leaderboard ({error}); is the address right?") from error
    if all(endpoint.api_name != "/leaderboard" for endpoint in client.endpoints.values()):
        raise ConnectionError(f"{url} is another page than a leaderboard; is the address right?")
    return client


class RemoteQueue:
    """Claims and ends submissions over HTTP.

    Args:
        url: Of the page, for example `https://org-clear-leaderboard.hf.space`.
        secret: The keeper's.

    Raises:
        ValueError: If it is not an address.
        ConnectionError: If the page does not answer.
    """

    def __init__(self, url: str, secret: str) -> None:
        self.url, self._client = url, open_page(url, headers={SECRET_HEADER: secret})

    def claim(self, worker: str, lease_seconds: float) -> Job | None:
        """Do as `Store.claim`."""
        found = self._call("claim", worker=worker, lease_seconds=lease_seconds)
        return found and Job(**{**found, "submission": Submission(**found["submission"])})

    def heartbeat(self, number: int, worker: str, lease_seconds: float, progress: str = "") -> None:
        """Do as `Store.heartbeat`."""
        self._call("heartbeat", number=number, worker=worker, lease_seconds=lease_seconds, progress=progress)

    def finish(
        self,
        number: int,
        worker: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Do as `Store.finish`."""
        self._call("finish", number=number, worker=worker, numbers=numbers, log=log, meta=meta, provenance=provenance)

    def refuse(self, number: int, worker: str, reason: str) -> None:
        """Do as `Store.refuse`."""
        self._call("refuse", number=number, worker=worker, reason=reason)

    def fail(self, number: int, worker: str, reason: str, retry: bool) -> None:
        """Do as `Store.fail`."""
        self._call("fail", number=number, worker=worker, reason=reason, retry=retry)

    def requeue_all(self, metric_version: str, who: str = "keeper") -> int:
        """Do as `Store.requeue_all`."""
        return self._call("requeue_all", metric_version=metric_version, who=who)

    def metric_version(self) -> str:
        """Do as `Store.metric_version`."""
        return self._call("metric_version")

    def _call(self, call: str, **arguments: Any) -> Any:
        try:
            answer = self._client.predict(call, arguments, api_name="/worker")
        except AppError as error:
            raise ValueError(f"{self.url}: {error}") from None
        except (OSError, ValueError, HTTPError) as error:
            raise ConnectionError(f"{self.url} does not answer ({error})") from error
        if "lost" in answer:
            raise LeaseLost(answer["lost"])
        return answer["answer"]
