"""Kills the leaderboard's worker and a submitter at seeded random moments, and counts what was lost or done twice.

    python benchmarks/leaderboard_crashes.py --rounds 200 --seed 0

Worker, submitter, store, leases, downloads from the loopback Hub and the cut-off scoring process are real, and
`kill -9` meets them wherever they are. Only what the scoring process computes is a stand-in, which writes the same
files as the real one in a fraction of a second: two hundred rounds would take hours otherwise.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants

from leaderboard_app.bases import Base, read_bases
from leaderboard_app.intake.submission_checks import SubmissionChecks, identify
from leaderboard_app.store.store import DuplicateSubmission, Store
from leaderboard_worker.cage import isolation_problem
from leaderboard_worker.process import LINEAGE_KEYS, PUBLIC, ScoringJob
from leaderboard_worker.sandbox import Limits, run_isolated
from leaderboard_worker.scorer import SubmissionScorer, WorkerSettings
from leaderboard_worker.worker import Worker

LEASE = 0.6  # seconds
LONGEST = 4.0  # seconds until a kill
ATTEMPTS = 10**6
TASKS = ("eval_log_forget.json", "eval_log.json", "eval_real_faces_wo_options.json")
ROWS = 8
STAND_IN = f"""
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
seed = sum(map(ord, json.loads((folder / "job.json").read_text())["model"])) % 97
rows = [str(i) for i in range({ROWS})]
fields = {{
    "avg_gt_loss": {{i: 0.2 + int(i) / 10 for i in rows}},
    "avg_paraphrased_loss": {{i: 0.3 + seed * int(i) / 1000 for i in rows}},
    "average_perturb_loss": {{i: [0.4, 1.5] for i in rows}},
    "rougeL_recall": dict.fromkeys(rows, 0.5),
}}
log = dict.fromkeys({TASKS}, fields)
people = {{"person": [f"person {{i}}" for i in range({ROWS})]}}
meta = {{"dataset": {{"source": "clear"}}, "forget": "forget10", "tasks": dict.fromkeys({TASKS}, people)}}
(folder / "{PUBLIC}").mkdir()
lineage = dict.fromkeys({sorted(LINEAGE_KEYS)}, 0) | {{"modules": {{}}, "to_golds": [], "refusal": None}}
for name, content in (("lineage.json", lineage), ("{PUBLIC}/eval_log_aggregated.json", log),
                      ("{PUBLIC}/eval_log_meta.json", meta), ("done.json", {{"seconds": {{}}}})):
    time.sleep(0.05)
    (folder / name).write_text(json.dumps(content))
"""


class StandInScorer(SubmissionScorer):
    """Scores by the stand-in, in the same kind of process."""

    def _run(self, work: ScoringJob, folder: Path, lost: Callable[[], bool]) -> dict[str, float]:
        folder.mkdir(parents=True, exist_ok=True)
        work.write(folder)
        command, isolated = [sys.executable, "-S", "-c", STAND_IN, str(folder)], isolation_problem() is None
        output = folder.with_name(f"{folder.name}.txt")
        code = run_isolated(command, folder, output, Limits(60, 4), isolated, stopped=lost)
        if code != 0:
            raise RuntimeError(f"stand-in ended with {code}: {output.read_text()[-300:]}")
        output.unlink()
        return {}


def online(endpoint: str, token: str | bool = False) -> HfApi:
    """Return the loopback Hub, for a process that was started offline."""
    constants.HF_HUB_OFFLINE = False
    return HfApi(endpoint, token=token)


def work(folder: Path, endpoint: str, number: int) -> None:
    """Run a worker until the queue is empty."""
    store, bases = Store(folder / "store.sqlite", attempts=ATTEMPTS, quota=10**6), read_bases(folder / "bases.json")
    isolated = isolation_problem() is None
    settings = WorkerSettings(folder / "work", LEASE, Limits(60, 4), isolated, f"worker-{number}")
    worker = Worker(store, bases, settings, online(endpoint), lambda line: None, references=store)
    worker.scorer = StandInScorer(store, bases, settings, online(endpoint))
    while True:
        if worker.work_once() is None:
            time.sleep(0.05)
            states = store_states(folder)
            if states and set(states) <= {"scored", "failed", "refused"}:  # whatever was not scored is counted
                return


def submit(folder: Path, endpoint: str, count: int) -> None:
    """Submit what is not acknowledged yet, and write down each acknowledgement."""
    store = Store(folder / "store.sqlite", attempts=ATTEMPTS, quota=10**6)
    checks = SubmissionChecks(read_bases(folder / "bases.json"), online(endpoint))
    keeper = identify(online(endpoint, "hf_keeper"))
    said = json.loads((folder / "said.json").read_text())
    acknowledged = folder / "acknowledged"
    for i in range(count):
        if not (acknowledged / str(i)).exists():
            checked = checks.check({**said, "repo_id": f"keeper/model-{i}", "revision": "main"}, keeper)
            if checked.submission is None:  # the Hub was not to be reached
                raise ConnectionError(checked.problems)
            with suppress(DuplicateSubmission):  # it was written, and the process killed before it could say so
                store.submit(checked.submission)
            (acknowledged / str(i)).touch()


def store_states(folder: Path) -> list[str]:
    """Return the state of each submission; none where a kill, or a busy machine, left no store yet."""
    with sqlite3.connect(folder / "store.sqlite") as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'submissions'").fetchone():
            return []
        return [row[0] for row in db.execute("SELECT state FROM submissions ORDER BY id")]


def run_rounds(folder: Path, base: Base, said: dict[str, Any], endpoint: str, models: int, rounds: int, seed: int,
               limit: float = 3600, longest: float = LONGEST,
               strike: Callable[[random.Random], bool] | None = None) -> dict[str, Any]:  # fmt: skip
    """Kill a worker and a submitter once a round, then let both end their work.

    Args:
        folder: New folder.
        base: The only base, whose original is on the Hub.
        said: What is said of each model.
        endpoint: Of the loopback Hub, which has `keeper/model-0` and so on.
        models: How many there are.
        rounds: Kills of each, at most.
        seed: Draws the moments.
        limit: Seconds for the end.
        longest: Seconds until a kill, at most.
        strike: Does something else to them in a round; returns whether there shall be one.

    Returns:
        What was counted.
    """
    (folder / "acknowledged").mkdir(parents=True)
    (folder / "said.json").write_text(json.dumps(said))
    entry = {name: value for name, value in vars(base).items() if name != "forget"} | {"forget": list(base.forget)}
    (folder / "bases.json").write_text(json.dumps({"bases": [entry]}))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "benchmarks.leaderboard_crashes"])
    dice, while_running, done, started = random.Random(seed), 0, 0, time.monotonic()
    for number in range(rounds):
        if strike is not None and not strike(dice):
            break
        done += 1
        worker = context.Process(target=work, args=(folder, endpoint, number))
        submitter = context.Process(target=submit, args=(folder, endpoint, models))
        moments = sorted((dice.uniform(0, longest), process) for process in ("worker", "submitter"))
        worker.start()
        submitter.start()
        begun = time.monotonic()
        for moment, name in moments:
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            while_running += name == "worker" and "running" in store_states(folder)
            {"worker": worker, "submitter": submitter}[name].kill()
        worker.join()
        submitter.join()
    last = [context.Process(target=submit, args=(folder, endpoint, models)),
            context.Process(target=work, args=(folder, endpoint, rounds))]  # fmt: skip
    for process in last:
        process.start()
        process.join(limit)
        process.kill()
    return {"rounds": done, "kills": 2 * done, "while a submission was running": while_running,
            "seconds": round(time.monotonic() - started, 1), **count(folder, models)}  # fmt: skip


def count(folder: Path, models: int) -> dict[str, int]:
    """Return what is wrong in the store; everything but `submissions` and `scored` should be 0."""
    store = Store(folder / "store.sqlite")
    states = store_states(folder)
    found = [store.details(number) for number in range(1, len(states) + 1)]
    histories = [store.status(number).history for number in range(1, len(states) + 1)]
    scored = [sum(change.after == "scored" for change in history) for history in histories]
    whole = [
        bool(details.log and details.numbers and details.meta and details.provenance)
        and len(details.log[TASKS[0]]["avg_gt_loss"]) == ROWS
        for details in found
    ]
    return {
        "submissions": len(states),
        "scored": states.count("scored"),
        "lost": models - len({details.submission.repo_id for details in found}),
        "twice in the queue": len(states) - len({details.submission.repo_id for details in found}),
        "scored twice": sum(times > 1 for times in scored),
        "not scored": sum(times == 0 for times in scored),
        "half rows": whole.count(False),
        "folders left": len(list((folder / "work" / "jobs").iterdir())),
    }


def main() -> None:
    """Serve a Hub with models, kills, and print the count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--models", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from tests.leaderboard_app.crash_stage import crash_stage

    home = Path(tempfile.mkdtemp(prefix="leaderboard-crashes-"))
    try:
        with crash_stage(home, options.models) as (base, said, hub):
            found = run_rounds(home / "run", base, said, hub.url, options.models, options.rounds, options.seed)
        print(json.dumps(found, indent=2))
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
