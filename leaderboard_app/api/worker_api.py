"""The queue for workers on other machines: one endpoint, open to whoever knows the keeper's secret."""

import hmac
from dataclasses import asdict
from typing import Any

import gradio as gr

from leaderboard_app.store.store import Store
from leaderboard_app.store.worker_queue import LeaseLost

SECRET = "LEADERBOARD_SECRET"  # nosec B105: the name of the environment variable that holds it
CALLS = ("claim", "heartbeat", "finish", "refuse", "fail", "requeue_all", "metric_version")
SHORTEST = 24  # characters of a secret


def add_worker_api(store: Store, secret: str) -> None:
    """Add the endpoint to the app that is being built.

    Args:
        store: The store.
        secret: What workers must send.

    Raises:
        ValueError: If the secret is so short that it could be guessed.
    """
    if len(secret) < SHORTEST:
        raise ValueError(f"{SECRET} has {len(secret)} characters; a secret needs at least {SHORTEST}")

    def worker(sent: str, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if not hmac.compare_digest(sent.encode(), secret.encode()):
            raise gr.Error("this is not the secret of this leaderboard", print_exception=False)
        if call not in CALLS:
            raise gr.Error(f"unknown call {call[:40]!r}; choose from {', '.join(CALLS)}", print_exception=False)
        try:
            answer = getattr(store, call)(**arguments)
        except LeaseLost as error:
            return {"lost": str(error)}
        except (ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {"answer": asdict(answer) if call == "claim" and answer is not None else answer}

    gr.api(worker, api_name="worker", api_visibility="undocumented", queue=False)
