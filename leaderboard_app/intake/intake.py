"""Taking a submission: whose token it is and what is wrong with it is found out by a check, then it is queued."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.utils import get_space
from huggingface_hub import HfApi, get_token

from leaderboard_app.bases import Bases
from leaderboard_app.store.store import Store

from .submission import Submission
from .submission_checks import SubmissionChecks, identify

# From what is said and the token of who says it: the submission, or all that is wrong with it.
Check = Callable[[Mapping[str, Any], str], tuple[Submission | None, Sequence[str]]]


def check_of(bases: Bases) -> Check:
    """Return the check of a leaderboard with these base models; private repositories are refused."""
    checks = SubmissionChecks(bases, HfApi(token=False))

    def check(said: Mapping[str, Any], token: str) -> tuple[Submission | None, Sequence[str]]:
        checked = checks.check(said, identify(HfApi(token=token)))
        return checked.submission, checked.problems

    return check


def take(store: Store, check: Check | None, said: Mapping[str, Any], token: str | None) -> int:
    """Check what is said, and queue it.

    Args:
        store: The store.
        check: Says who it is and what is wrong; without it nothing can be submitted here.
        said: Fields of a submission, `statement`, `acts_at_inference` and `self_reported`.
        token: Of who says it.

    Returns:
        Number of the submission.

    Raises:
        ValueError: If something is wrong; one line each.
        PermissionError: If nobody is signed in.
        ConnectionError: If the Hub fails.
    """
    if check is None:
        raise ValueError("this leaderboard takes no submissions: its keeper has not said for which base models")
    if not token:
        raise PermissionError("sign in with Hugging Face first")
    submission, problems = check(said, token)
    if submission is None or problems:
        raise ValueError("\n".join(problems))
    return store.submit(submission)


def token_of(signed_in: gr.OAuthToken | None, request: gr.Request | None) -> str | None:
    """Return the token of who asks: signed in on the page, or sent by gradio_client.

    Outside a Space, signing in is a mock of gradio's: the visitor is whoever started the page.
    """
    if request is not None and request.headers:
        sent = request.headers.get("x-hf-authorization", "")
        if sent.startswith("Bearer "):
            return sent.removeprefix("Bearer ")
    if signed_in is None:
        return None
    return signed_in.token if get_space() is not None else get_token()
