"""`clear-unlearning worker`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

JOB_TOKEN = "LEADERBOARD_JOB_TOKEN"  # nosec B105: likewise
SECRET = "LEADERBOARD_SECRET"  # nosec B105: the name of the environment variable that holds it


def worker(argv: Sequence[str]) -> None:
    """Scores what was submitted to a leaderboard, one submission after the other."""
    parser = argparse.ArgumentParser("clear-unlearning worker", description=worker.__doc__)
    parser.add_argument("--store", type=Path, help="the leaderboard's store (an SQLite file)")
    parser.add_argument("--leaderboard", help="address of the page, where the store is on another machine")
    parser.add_argument("--bases", type=Path, required=True, help="bases.json: originals, golds, data")
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
    from huggingface_hub import HfApi

    from leaderboard_app.api.remote_queue import RemoteQueue
    from leaderboard_app.bases import read_bases
    from leaderboard_app.store.store import Store
    from leaderboard_worker.remote.scorer import HubSettings
    from leaderboard_worker.sandbox import Limits
    from leaderboard_worker.scorer import WorkerSettings
    from leaderboard_worker.worker import Worker

    if (options.store is None) == (options.leaderboard is None):
        raise ValueError("say where submissions wait: --store FILE or --leaderboard URL")
    if options.engine == "hf-jobs" and not (options.image and options.job_results):
        raise ValueError("--engine hf-jobs needs --image and --job_results NAMESPACE/NAME")
    queue = Store(options.store) if options.store else RemoteQueue(options.leaderboard, os.environ.get(SECRET, ""))
    bases = read_bases(options.bases)
    limits = Limits(options.most_seconds, options.memory_gb)
    settings = WorkerSettings(options.work, options.lease, limits, not options.no_isolation)
    hub = None
    if options.engine == "hf-jobs":
        token = os.environ.get(JOB_TOKEN, "")
        hub = HubSettings(
            options.image, options.job_results, token, options.flavor, options.job_poll, options.job_patience
        )
    Worker(queue, bases, settings, HfApi(), print, hub).work(options.once, options.pause)
