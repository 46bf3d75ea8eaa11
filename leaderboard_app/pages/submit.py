"""The tabs Submit and Status: signing in, the form, and where submissions stand."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.utils import get_space
from huggingface_hub import get_token

from leaderboard_app.intake.submission import FIELDS, FORGET_SETS, KINDS, MODALITIES, REPORTED
from leaderboard_app.intake.submission_checks import Check, take
from leaderboard_app.store.queries import Status
from leaderboard_app.store.store import Store

from . import no_submission, render
from .details import history, moment

REFRESH_SECONDS = 5.0
CAN_SIGN_IN = "Outside a Space, signing in needs a token of the machine: `hf auth login`, then start the page again."
MEANINGS = {
    "queued": "waits for a worker",
    "running": "is being scored",
    "scored": "is scored: it stands in the table",
    "refused": "breaks a rule, and was not scored",
    "failed": "could not be scored; its submitter may try again",
    "withdrawn": "was taken back by its submitter",
}


def can_sign_in() -> bool:
    """Return whether gradio can offer to sign in: in a Space, or on a machine that is logged in."""
    return get_space() is not None or get_token() is not None


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


def submit_tab(store: Store, check: Check | None, bases: list[str]) -> None:
    """Show the form."""
    if check is None:
        gr.Markdown("This leaderboard takes no submissions: its keeper has not said for which base models.")
        return
    if can_sign_in():
        gr.LoginButton(elem_id="sign-in")
    else:
        gr.Markdown(CAN_SIGN_IN)
    gr.Markdown("Checked in seconds, without downloading weights. All that you write here is shown on the page.")
    boxes: dict[str, Any] = {}
    with gr.Row():
        boxes["repo_id"] = _text("repo_id")
        boxes["revision"] = _text("revision")
    choices = {"kind": KINDS, "base_model": bases, "forget": FORGET_SETS, "modality": MODALITIES}
    chosen = {"kind": "full", "base_model": bases[0] if bases else None, "forget": "forget10", "modality": "both"}
    with gr.Row():
        for name, values in choices.items():
            boxes[name] = gr.Dropdown(
                list(values), value=chosen[name], label=FIELDS[name].label, elem_id=f"field-{name}"
            )
    with gr.Row():
        boxes["method"] = _text("method")
        boxes["paper"] = _text("paper")
        boxes["licence"] = _text("licence")
    boxes["data_used"] = _text("data_used")
    with gr.Row():
        boxes["seeds"] = _text("seeds")
        boxes["gpu_hours"] = gr.Number(0, label=FIELDS["gpu_hours"].label, minimum=0, elem_id="field-gpu_hours")
        boxes["contact"] = _text("contact")
    with gr.Accordion("Numbers of your own (shown beside ours, never ranked)", open=False):
        own = {name: gr.Number(None, label=name) for name in REPORTED}
    boxes["acts_at_inference"] = gr.Checkbox(label="The method acts when the model is asked (filters, prompts)")
    boxes["statement"] = gr.Checkbox(label="I state that no evaluation item was trained on", elem_id="field-statement")
    button = gr.Button("Submit", variant="primary", elem_id="submit-button")
    answer = gr.HTML(elem_id="submit-answer")

    names, numbers = list(boxes), list(own)
    labels = {name: str(box.label) for name, box in boxes.items() if not isinstance(box, gr.Checkbox)}

    # gradio gives token and request by their annotation, and then the values of the boxes.
    def send(token: gr.OAuthToken | None, request: gr.Request, *values: Any) -> str:
        said = dict(zip(names, values, strict=False))
        reported = dict(zip(numbers, values[len(names) :], strict=True))
        said["self_reported"] = {name: value for name, value in reported.items() if value is not None} or None
        try:
            number = take(store, check, said, token_of(token, request))
        except (ValueError, PermissionError, ConnectionError) as error:
            return render(
                "problems.html.jinja", problems=[_labelled(line, labels) for line in str(error).splitlines()]
            )
        return render("queued.html.jinja", number=number, position=store.status(number).position)

    button.click(send, [*boxes.values(), *own.values()], answer, api_visibility="private")


def status_tab(store: Store) -> tuple[gr.Textbox, gr.HTML]:
    """Return where one submission stands, and all of whoever is signed in; what is shown updates by itself."""
    with gr.Row():
        number = gr.Textbox(label="Number of the submission", max_length=12, elem_id="status-number")
        show = gr.Button("Show", scale=0, min_width=120, elem_id="status-show")
    page = gr.HTML(status_html(store, None), elem_id="status-page")
    timer = gr.Timer(REFRESH_SECONDS)

    def look(wanted: str) -> str:
        return status_html(store, wanted)

    def again(wanted: str) -> Any:
        return status_html(store, wanted) if wanted else gr.skip()

    for event in (show.click, number.submit):
        event(look, number, page, queue=False, api_visibility="private")
    timer.tick(again, number, page, queue=False, show_progress="hidden", api_visibility="private")
    gr.Markdown("### Your submissions")
    with gr.Row():
        mine, withdraw, retry = (gr.Button(text, size="sm") for text in ("List mine", "Withdraw", "Try again"))
    gr.Markdown("Withdraw and Try again are about the number above.")
    listed = gr.HTML(elem_id="status-mine")

    def change(name: str) -> Any:
        def changed(profile: gr.OAuthProfile | None, wanted: str) -> tuple[str, str]:
            if profile is None:
                return status_html(store, wanted), render("message.html.jinja", text="Sign in under Submit first.")
            try:
                if name != "list":
                    getattr(store, name)(_number(wanted), profile.username)
            except (ValueError, PermissionError) as error:
                return status_html(store, wanted), render("problems.html.jinja", problems=str(error).splitlines())
            return status_html(store, wanted), mine_html(store.mine(profile.username))

        return changed

    for button, name in ((mine, "list"), (withdraw, "withdraw"), (retry, "retry")):
        button.click(change(name), number, [page, listed], queue=False, api_visibility="private")
    return number, page


def status_html(store: Store, wanted: str | int | None) -> str:
    """Return where one submission stands.

    Args:
        store: The store.
        wanted: Number of the submission, as it comes from a URL or a form.
    """
    try:
        status = store.status(int(wanted or ""))
    except (ValueError, OverflowError):
        return no_submission(wanted, "Give the number of a submission.")
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
    names = ("id", "user", "repo_id", "commit", "method", "state", "reason", "progress", "position", "attempts")
    names += ("submitted", "started", "finished", "hidden_reason")
    trail = [vars(change) for change in status.history]
    return {**{name: getattr(status, name) for name in names}, "history": trail}


def _labelled(problem: str, labels: Mapping[str, str]) -> str:
    """Return a problem that begins with the label of its box, instead of the field's name."""
    name, colon, text = problem.partition(": ")
    return f"{labels.get(name, name)}{colon}{text}"


def _number(wanted: str) -> int:
    if not wanted.strip().isdecimal():
        raise ValueError(f"Give the number of a submission above; seen {wanted[:20]!r}.")
    return int(wanted)


def _text(name: str) -> gr.Textbox:
    field = FIELDS[name]
    return gr.Textbox(label=field.label, placeholder=field.example, max_length=field.limit, elem_id=f"field-{name}")
