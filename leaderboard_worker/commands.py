"""The commands `clear-unlearning leaderboard`, `submit` and `worker`. Each imports what it needs when it runs."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clear_data.command_line import Parser

STORE = Path("leaderboard.sqlite")
JOB_TOKEN = "LEADERBOARD_JOB_TOKEN"  # nosec B105: the name of the environment variable that holds it
SECRET = "LEADERBOARD_SECRET"  # nosec B105: likewise


def leaderboard(argv: Sequence[str]) -> None:
    """Serve, publish and look after the leaderboard."""
    parser = Parser("clear-unlearning leaderboard", description=leaderboard.__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser
    serve = _add(add("serve", help="serve the page on this machine"), _serve)
    serve.add_argument("--demo", type=Path, help="folder of a finished demo, whose results become verified rows")
    serve.add_argument("--visual", type=Path, help="folder of a finished visual run, shown under Faces")
    serve.add_argument("--bases", type=Path, help="bases.json: for which base models submissions are taken")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=int, default=7860, help="port to listen on (%(default)s)")
    push = _add(add("push", help="publish the page as a Space, and the results as a dataset beside it"), _push)
    push.add_argument("--repo-id", required=True, help="Space on the Hub, for example ORG/clear-leaderboard")
    push.add_argument("--results", help="dataset with the results (by default REPO_ID-results)")
    push.add_argument("--bases", type=Path, help="bases.json: for which base models the Space takes submissions")
    push.add_argument("--private", action="store_true", help="make new repositories private")
    restore = _add(add("restore", help="rebuild an empty store from the dataset with the results"), _restore)
    restore.add_argument("--results", required=True, help="dataset, for example ORG/clear-leaderboard-results")
    reference = _add(add("reference", help="set the original or gold model of a base model"), _reference)
    reference.add_argument("kind", choices=("original", "gold"))
    reference.add_argument("--log", type=Path, required=True, help="folder that evaluate wrote")
    reference.add_argument(
        "--gold", type=Path, action="append", required=True, help="that of the gold model; again for other seeds"
    )
    reference.add_argument("--original", type=Path, help="that of the original model, for E")
    reference.add_argument("--dataset", required=True, help="folder or Hub id of the rows, for the photos")
    hide = _add(add("hide", help="take a row out of the table, with a reason that is shown"), _hide)
    hide.add_argument("number", type=int, help="of the submission")
    hide.add_argument("--keeper", required=True, help="who hides it")
    hide.add_argument("--reason", required=True, help="why")
    hide.add_argument("--undo", action="store_true", help="put it back")
    requeue = _add(add("requeue", help="score everything again, by another version of the metrics"), _requeue)
    requeue.add_argument("--metric_version", required=True, help="the version that rows must be of")
    requeue.add_argument("--keeper", required=True, help="who says so")
    options = parser.parse_args(argv)
    options.run(options)


def _add(parser: Parser, run: object) -> Parser:
    parser.add_argument("--store", type=Path, help=f"file of the store ({STORE})")
    parser.set_defaults(run=run)
    return parser


def _serve(options: argparse.Namespace) -> None:
    from evaluate_metrics.face_scores import read_faces
    from leaderboard_app.app import build_app, serve
    from leaderboard_app.bases import read_bases
    from leaderboard_app.intake.submission_checks import check_of
    from leaderboard_app.store.store import Store

    if options.demo and not options.demo.is_dir():
        raise FileNotFoundError(f"{options.demo} holds no finished demo; `make demo` runs one")
    faces = read_faces(options.visual) if options.visual else None
    bases = read_bases(options.bases) if options.bases else {}
    store = Store(options.store or (options.demo / STORE if options.demo else STORE))
    if options.demo:
        from leaderboard_worker.keeper import import_demo

        print(f"{len(import_demo(store, options.demo))} rows imported from {options.demo} into {store.path}")
    if faces:
        store.set_faces(faces)
        print(f"{len(faces['rows'])} methods of the visual track imported from {options.visual} into {store.path}")
    secret = os.environ.get(SECRET)
    app = build_app(store, check_of(bases) if bases else None, list(bases), secret)
    try:
        serve(app, secret, server_name=options.host, server_port=options.port, quiet=True, prevent_thread_lock=True)
    except OSError as error:
        raise ValueError(f"{options.host}:{options.port} cannot be listened on; choose another --port") from error
    print(f"the leaderboard is at http://{options.host}:{options.port}; Ctrl+C ends it", flush=True)
    app.block_thread()


def _push(options: argparse.Namespace) -> None:
    from leaderboard_app.store.store import Store
    from leaderboard_worker.keeper import push_results, push_space

    results = options.results or f"{options.repo_id}-results"
    path = _existing(options.store)
    for done in (
        push_results(Store(path), results, options.private),
        push_space(options.repo_id, results, options.private, options.bases),
    ):
        print(f"{done.url}: " + (f"{len(done.changed)} files sent" if done.changed else "nothing changed, no commit"))


def _restore(options: argparse.Namespace) -> None:
    from leaderboard_worker.keeper import restore

    path = options.store or STORE
    print(f"{path}: {restore(path, options.results)} submissions from {options.results}")


def _reference(options: argparse.Namespace) -> None:
    from evaluate_metrics.log_format import read_log
    from leaderboard_app.store.store import Store
    from leaderboard_worker.keeper import add_reference

    for log in (
        options.log,
        *options.gold,
        *([options.original] if options.original else []),
    ):  # before a store is made
        read_log(log)
    store = Store(options.store or STORE)
    add_reference(store, options.kind, options.log, options.gold, options.original, options.dataset)
    print(f"{options.store or STORE}: {options.kind} set from {options.log}")


def _hide(options: argparse.Namespace) -> None:
    from leaderboard_app.store.store import Store

    store = Store(_existing(options.store))
    store.hide(options.number, options.keeper, options.reason, hidden=not options.undo)
    print(f"submission {options.number} is {'shown again' if options.undo else 'hidden'}")


def _requeue(options: argparse.Namespace) -> None:
    from leaderboard_app.store.store import Store

    queued = Store(_existing(options.store)).requeue_all(options.metric_version, options.keeper)
    print(f"{queued} submissions are queued again, for version {options.metric_version} of the metrics")


def _existing(path: Path | None) -> Path:
    """Return the store's file, which must be there: a wrong name must not make an empty store."""
    path = path or STORE
    if not path.is_file():
        raise FileNotFoundError(f"there is no store {path}; name it by --store FILE")
    return path


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
