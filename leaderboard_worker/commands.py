"""The commands `clear-unlearning submit` and `worker`. Each imports what it needs when it runs."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clear_data.command_line import Parser

from .keeper_commands import SECRET

JOB_TOKEN = "LEADERBOARD_JOB_TOKEN"  # nosec B105: the name of the environment variable that holds it


def submit(argv: Sequence[str]) -> None:
    """Submit an unlearned model on the Hub to a leaderboard, which scores it itself."""
    parser = Parser("clear-unlearning submit", description=submit.__doc__)
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
    leaderboard, store, bases = (options.pop(name) for name in ("leaderboard", "store", "bases"))
    if (leaderboard is None) == (store is None) or (store is None) != (bases is None):
        raise ValueError("say where to submit: --leaderboard URL, or --store FILE with --bases FILE")
    reported = options.pop("self_reported")
    said = {**options, "self_reported": _reported(reported) if reported else None}
    from leaderboard_app.intake.submission import clean_fields

    if problems := clean_fields(said)[1]:
        raise ValueError("; ".join(problems))
    print(_to_page(leaderboard, said) if store is None else _to_store(store, bases, said))


def _reported(file: Path) -> dict[str, float]:
    """Return the numbers of `score --json` that a submission may have."""
    from leaderboard_app.intake.submission import REPORTED

    if not file.is_file():
        raise FileNotFoundError(f"--self_reported: there is no file {file}")
    try:
        numbers = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"--self_reported: {file} is not JSON ({error}); `score --json` prints it") from None
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
    """Submit through the page, by its endpoint `/submit`, which knows the submitter by the token."""
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


def worker(argv: Sequence[str]) -> None:
    """Score what was submitted to a leaderboard, one submission after the other."""
    parser = Parser("clear-unlearning worker", description=worker.__doc__)
    parser.add_argument("--store", type=Path, help="the leaderboard's store (an SQLite file)")
    parser.add_argument("--leaderboard", help="address of the page, where the store is on another machine")
    parser.add_argument("--bases", type=Path, help="bases.json: originals, golds, data")
    parser.add_argument("--check", action="store_true", help="try what a scoring process can do here, and end")
    parser.add_argument("--work", type=Path, default=Path("runs/worker"), help="downloads and jobs (%(default)s)")
    parser.add_argument("--once", action="store_true", help="end when none waits")
    parser.add_argument("--pause", type=float, default=10, help="seconds between looks at an empty queue")
    parser.add_argument("--lease", type=float, default=120, help="seconds until a dead worker's job is another's")
    parser.add_argument("--most_seconds", type=float, default=4 * 3600, help="for one model (%(default)s)")
    parser.add_argument("--memory_gb", type=float, default=24, help="for one model; 0: no limit, as GPUs need it")
    parser.add_argument("--no_isolation", action="store_true", help="score without namespaces: network, files, tokens")
    jobs = parser.add_argument_group("jobs on the Hub", f"the token of the jobs comes from {JOB_TOKEN}")
    jobs.add_argument("--engine", choices=("local", "hf-jobs"), default="local", help="where to score (%(default)s)")
    jobs.add_argument("--image", help="Docker image or hf.co/spaces/NAMESPACE/NAME with clear-unlearning installed")
    jobs.add_argument("--job_results", help="private dataset for what the jobs answer; its namespace pays for them")
    jobs.add_argument("--flavor", default="a10g-small", help="hardware of a job (%(default)s)")
    jobs.add_argument("--job_poll", type=float, default=15, help="seconds between looks at a job")
    jobs.add_argument("--job_patience", type=float, default=3600, help="seconds in which a job must have started")
    options = parser.parse_args(argv)
    if options.check:
        from leaderboard_worker.cage_check import check_cage

        for line in check_cage(options.work):
            print(line, flush=True)
        return
    if (options.store is None) == (options.leaderboard is None):
        raise ValueError("say where submissions wait: --store FILE or --leaderboard URL")
    if options.bases is None:
        raise ValueError("say for which base models: --bases FILE")
    if options.engine == "hf-jobs" and not (options.image and options.job_results):
        raise ValueError("--engine hf-jobs needs --image and --job_results NAMESPACE/NAME")
    from huggingface_hub import HfApi

    from leaderboard_app.api.remote_queue import RemoteQueue
    from leaderboard_app.bases import read_bases
    from leaderboard_app.store.store import Store
    from leaderboard_worker.hub_jobs import HubSettings
    from leaderboard_worker.sandbox import Limits
    from leaderboard_worker.worker import Worker
    from leaderboard_worker.worker_settings import WorkerSettings

    bases = read_bases(options.bases)
    store = Store(options.store) if options.store else None
    queue = store or RemoteQueue(options.leaderboard, os.environ.get(SECRET, ""))
    limits = Limits(options.most_seconds, options.memory_gb)
    settings = WorkerSettings(options.work, options.lease, limits, not options.no_isolation)
    hub = None
    if options.engine == "hf-jobs":
        token = os.environ.get(JOB_TOKEN, "")
        hub = HubSettings(
            options.image, options.job_results, token, options.flavor, options.job_poll, options.job_patience
        )
    Worker(queue, bases, settings, HfApi(), print, hub, store).work(options.once, options.pause)
