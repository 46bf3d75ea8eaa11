"""The page for programs: the same answers as typed endpoints, for gradio_client.

The queue for workers on other machines is one more endpoint, open to whoever knows the keeper's secret.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

import gradio as gr

from leaderboard_app.intake.submission import SAID
from leaderboard_app.intake.submission_checks import Check, take
from leaderboard_app.pages.submit import status_dict, token_of
from leaderboard_app.pages.table import row_dict
from leaderboard_app.store.store import Store
from leaderboard_app.store.worker_queue import LeaseLost

from .request_gate import SECRET_HEADER, has_secret

SECRET = "LEADERBOARD_SECRET"  # nosec B105: the name of the environment variable that holds it
CALLS = ("claim", "heartbeat", "finish", "refuse", "fail", "requeue_all", "metric_version")
SHORTEST = 24  # characters of a secret


def add_api(store: Store, check: Check | None) -> None:
    """Add the endpoints to the app that is being built."""

    def leaderboard(
        forget: str = "",
        base_model: str = "",
        modality: str = "",
        verified: bool = True,
        search: str = "",
        sort: str = "rank",
        page: int = 1,
    ) -> dict[str, Any]:
        """Return a page of the table: `rows`, `references`, `total`, `page`, `pages`."""
        with told():
            board = store.rows(
                forget=forget, base_model=base_model, modality=modality, verified=verified, search=search, sort=sort,
                page=page,
            )  # fmt: skip
        rows, references = ([row_dict(row) for row in part] for part in (board.rows, board.references))
        return {
            "rows": rows,
            "references": references,
            "total": board.total,
            "page": board.page,
            "pages": board.pages,
        }

    def row(number: int) -> dict[str, Any]:
        """Return all that is known of a submission, without its log."""
        with told():
            found = store.details(number)
        if found.hidden_reason is not None:
            raise gr.Error(f"submission {number} is hidden: {found.hidden_reason}", print_exception=False)
        about = {name: value for name, value in asdict(found).items() if name not in ("log", "submission")}
        return {**found.submission.as_dict(), **about}

    def status(number: int) -> dict[str, Any]:
        """Return where a submission stands in the queue, and what happened to it."""
        with told():
            return status_dict(store.status(number))

    def submit(
        repo_id: str,
        revision: str,
        kind: Literal["full", "adapter"],
        base_model: str,
        method: str,
        forget: str,
        modality: str,
        licence: str,
        statement: bool,
        acts_at_inference: bool = False,
        paper: str = "",
        data_used: str = "",
        seeds: str = "",
        gpu_hours: float = 0.0,
        contact: str = "",
        self_reported: dict[str, float] | None = None,
        request: gr.Request | None = None,
    ) -> int:
        """Submit a model in the name of the client's token, and return its number."""
        said = {name: value for name, value in locals().items() if name in SAID}
        with told():
            return take(store, check, said, token_of(None, request))

    for function in (leaderboard, row, status):
        gr.api(function, api_name=function.__name__, queue=False)
    gr.api(submit, api_name="submit", queue=False)


@contextmanager
def told() -> Iterator[None]:
    """Turn an error of the visitor into gradio's, whose text the visitor sees; a wrong type of an argument too."""
    try:
        yield
    except (ValueError, PermissionError, ConnectionError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    except (TypeError, AttributeError, OverflowError, sqlite3.Error) as error:
        raise gr.Error(f"an argument is of a wrong type: {error}"[:300], print_exception=False) from error


def add_worker_api(store: Store, secret: str) -> None:
    """Add the endpoint to the app that is being built.

    Args:
        store: The store.
        secret: What workers must send in the header SECRET_HEADER.

    Raises:
        ValueError: If the secret is so short that it could be guessed.
    """
    if len(secret) < SHORTEST:
        raise ValueError(f"{SECRET} has {len(secret)} characters; a secret needs at least {SHORTEST}")

    def worker(call: str, arguments: dict[str, Any], request: gr.Request | None = None) -> dict[str, Any]:
        if request is None or not has_secret(request.headers, secret):
            raise gr.Error(f"{SECRET_HEADER} is not the secret of this leaderboard", print_exception=False)
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
