"""The page of a submission's way through the queue."""

from collections.abc import Sequence
from typing import Any

from leaderboard_app.store.queries import Status
from leaderboard_app.store.store import Store

from .details import history, moment
from .html import render

MEANINGS = {
    "queued": "waits for a worker",
    "running": "is being scored",
    "scored": "is scored: it stands in the table",
    "refused": "breaks a rule, and was not scored",
    "failed": "could not be scored; its submitter may try again",
    "withdrawn": "was taken back by its submitter",
}


def status_html(store: Store, wanted: str | int | None) -> str:
    """Return where one submission stands.

    Args:
        store: The store.
        wanted: Number of the submission, as it comes from a URL or a form.
    """
    try:
        status = store.status(int(wanted or ""))
    except (ValueError, OverflowError):
        text = "Give the number of a submission." if not wanted else f"There is no submission {str(wanted)[:20]}."
        return render("message.html.jinja", text=text)
    return render(
        "status.html.jinja",
        status=status,
        meaning=MEANINGS[status.state],
        times=[
            ("submitted", moment(status.submitted)),
            ("started", moment(status.started)),
            ("finished", moment(status.finished)),
        ],
        history=history(status),
    )


def mine_html(statuses: Sequence[Status]) -> str:
    """Return where all submissions of a user stand."""
    return render("mine.html.jinja", statuses=statuses)


def status_dict(status: Status) -> dict[str, Any]:
    """Return a status for programs; times in seconds since 1970."""
    names = ("id", "user", "repo_id", "commit", "method", "state", "reason", "position", "attempts")
    names += ("submitted", "started", "finished", "hidden_reason")
    trail = [vars(change) for change in status.history]
    return {**{name: getattr(status, name) for name in names}, "history": trail}
