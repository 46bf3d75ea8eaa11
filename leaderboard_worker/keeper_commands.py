"""The command `clear-unlearning leaderboard`. Each action imports what it needs when it runs."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from clear_data.command_line import Parser

STORE = Path("leaderboard.sqlite")
SECRET = "LEADERBOARD_SECRET"  # nosec B105: the name of the environment variable that holds it


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
    audited = _add(add("audited", help="show with a row what clear-unlearning audit found in its model"), _audited)
    audited.add_argument("number", type=int, help="of the submission")
    audited.add_argument("--audit", type=Path, required=True, help="folder that audit wrote")
    audited.add_argument("--keeper", required=True, help="who ran it")
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


def _audited(options: argparse.Namespace) -> None:
    from leaderboard_app.store.store import Store
    from leaderboard_worker.keeper import add_verdict

    lights = add_verdict(Store(_existing(options.store)), options.number, options.audit, options.keeper)
    found = ", ".join(f"{count} {light}" for light, count in lights.items())
    print(f"submission {options.number} is audited; people by light: {found}")


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
