"""`clear-unlearning submit`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PLACES = ("leaderboard", "store", "bases")


def submit(argv: Sequence[str]) -> None:
    """Submits an unlearned model on the Hub to a leaderboard, which scores it itself."""
    parser = argparse.ArgumentParser("clear-unlearning submit", description=submit.__doc__)
    add = parser.add_argument
    add("--repo-id", "--repo_id", required=True, help="model on the Hub: NAMESPACE/MODEL")
    add("--revision", default="main", help="commit, or a tag or branch, of which the commit is taken (%(default)s)")
    add("--kind", default="full", help="full, or adapter on the original (%(default)s)")
    add("--base_model", required=True, help="row of the leaderboard, for example llava-hf/llava-1.5-7b-hf")
    add("--forget", required=True, help="forget01, forget05 or forget10")
    add("--method", required=True, help="its name")
    add("--paper", default="", help="address of its paper")
    add("--modality", default="both", help="of what was unlearned: image, text or both (%(default)s)")
    add("--data_used", required=True, help="what was trained on, in words")
    add("--seeds", required=True, help="of the training, with commas")
    add("--gpu_hours", required=True, help="of the training")
    add("--licence", required=True, help="of the model, as its card has it")
    add("--contact", required=True, help="who answers questions")
    add("--self_reported", type=Path, help="your own numbers: what `score --json` printed")
    add("--acts_at_inference", action="store_true", help="the method acts when the model is asked")
    add("--statement", action="store_true", help="I state that no evaluation item was trained on")
    add("--leaderboard", help="address of the page")
    add("--store", type=Path, help="keepers: the store itself, with --bases")
    add("--bases", type=Path, help="keepers: bases.json")
    options = vars(parser.parse_args(argv))
    leaderboard, store, bases = (options.pop(name) for name in PLACES)
    if (leaderboard is None) == (store is None) or (store is None) != (bases is None):
        raise ValueError("say where to submit: --leaderboard URL, or --store FILE with --bases FILE")
    reported = options.pop("self_reported")
    said = {**options, "self_reported": _reported(reported) if reported else None}
    from leaderboard_app.intake.submission_fields import clean_fields

    if problems := clean_fields(said)[1]:
        raise ValueError("; ".join(problems))
    print(_to_page(leaderboard, said) if store is None else _to_store(store, bases, said))


def _reported(file: Path) -> dict[str, float]:
    """The numbers of `score --json` that a submission may have."""
    from leaderboard_app.intake.submission import REPORTED

    if not file.is_file():
        raise FileNotFoundError(f"--self_reported: there is no file {file}")
    try:
        numbers = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"--self_reported: {file} is no JSON ({error}); `score --json` prints it") from None
    said = numbers if isinstance(numbers, dict) else {}
    known = {name: said[name] for name in REPORTED if said.get(name) is not None}
    if not known:
        raise ValueError(f"--self_reported: {file} has none of {', '.join(REPORTED)}; `score --json` prints them")
    return known


def _to_store(store: Path, bases: Path, said: Mapping[str, Any]) -> str:
    from huggingface_hub import HfApi

    from leaderboard_app.bases import read_bases
    from leaderboard_app.intake.submission_checks import SubmissionChecks, identify
    from leaderboard_app.store.store import Store

    api = HfApi()
    checked = SubmissionChecks(read_bases(bases), api).check(said, identify(api))
    if checked.submission is None:
        raise ValueError("; ".join(checked.problems))
    number = Store(store).submit(checked.submission)
    return f"submission {number}: {checked.submission.repo_id}@{checked.submission.commit} waits in the queue"


def _to_page(leaderboard: str, said: Mapping[str, Any]) -> str:
    """Through the page, by its endpoint `/submit`, which knows the submitter by the token."""
    from gradio_client.exceptions import AppError
    from httpx import HTTPError
    from huggingface_hub import get_token

    from leaderboard_app.api.remote_queue import open_page

    token = get_token()
    if token is None:
        raise PermissionError("no token for the Hub: log in with `hf auth login`, or set HF_TOKEN")
    client = open_page(leaderboard, token)
    try:
        answer = client.predict(**said, api_name="/submit")
    except AppError as error:
        raise ValueError("; ".join(str(error).splitlines())) from None
    except HTTPError as error:
        raise ConnectionError(
            f"{leaderboard} does not answer any more ({error}): look there, then try again"
        ) from None
    return f"submission {answer}: {said['repo_id']} waits in the queue; see {client.src}?status={answer}"
