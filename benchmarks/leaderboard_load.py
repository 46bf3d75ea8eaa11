"""How fast the leaderboard answers: 10,000 rows, and 200 sessions that open the page, filter and now and then submit.

    python benchmarks/leaderboard_load.py

prints the median and the 95th percentile of each kind of request in milliseconds, and how many failed. A `filter` is
asked as programs do, a `table` as the page itself does, with the plot. Everything is on 127.0.0.1: the page in one
process, the sessions in another.
"""

import argparse
import asyncio
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np

from leaderboard_app.intake.submission import FORGET_SETS, MODALITIES, Submission
from leaderboard_app.pages.table import DEFAULT
from leaderboard_app.store.ranking import columns_of, packed, rank_all
from leaderboard_app.store.schema import transaction
from leaderboard_app.store.store import Store
from leaderboard_app.store.worker_queue import replace

BASES = ("llava-hf/llava-1.5-7b-hf", "Qwen/Qwen2.5-VL-7B-Instruct", "mini-image")
SUBMITS, TABLES = 0.05, 0.5  # share of the requests that submit; of the others, share that the page itself asks
METHODS = ("npo", "gradient_ascent", "gradient_difference", "kl", "idk", "dpo", "scrub", "rmu")
SERVE = """
import sys
from dataclasses import asdict
from leaderboard_app.app import build_app, serve
from leaderboard_app.intake.submission import Submission
from leaderboard_app.store.store import Store

def check(said, token):
    names = ("repo_id", "kind", "base_model", "method", "forget", "modality", "licence", "statement")
    fields = {name: said[name] for name in names}
    return Submission(user=token, commit=said["revision"], **fields), []

serve(build_app(Store(sys.argv[1]), check), server_port=int(sys.argv[2]), quiet=True)
"""


def fill(path: Path, rows: int) -> None:
    """Give a store with a number of scored submissions and their references."""
    store, dice = Store(path), np.random.default_rng(0)
    version = store.metric_version()  # else no row counts as verified
    for base in BASES:
        for forget in FORGET_SETS:
            for kind, utility in (("original", 0.7), ("gold", 0.7)):
                store.add_reference(kind, base, forget, {"model_utility": utility}, {}, {})
    with transaction(path) as db:
        for number in range(1, rows + 1):
            d, utility = dice.uniform(size=2).round(4).tolist()
            numbers = {"forget_quality_statistic": d, "model_utility": utility, "forget_quality": 1 - d, "real": 0.9}
            about = Submission(
                user=f"user{number % 500}", repo_id=f"user{number % 500}/model-{number}", commit=f"{number:040x}",
                kind="full", base_model=BASES[number % 3], method=METHODS[number % 8], licence="mit", statement=True,
                forget=FORGET_SETS[number // 3 % 3], modality=MODALITIES[number // 9 % 3],
            )  # fmt: skip
            state = {"id": number, "state": "scored", "submitted": float(number), "queued": float(number)}
            fields = {f'"{name}"': value for name, value in {**about.as_dict(), **state}.items()}
            names = ", ".join(fields)
            db.execute(
                f"INSERT INTO submissions ({names}) VALUES ({', '.join('?' * len(fields))})", [*fields.values()]
            )
            row = {"submission": number, "scored": float(number), "metric_version": version, **columns_of(numbers)}
            replace(db, "results", {**row, "numbers": packed(numbers), "meta": "{}", "provenance": "{}"})
        rank_all(db)


async def session(
    client: httpx.AsyncClient, listener: int, number: int, until: float, think: float, times: dict, wrong: Counter
) -> None:
    """Act as a visitor: open the page, then filter, turn pages or submit, with time to think in between."""
    dice = random.Random(number)

    async def ask(kind: str, method: str, path: str, **options) -> None:
        start = time.perf_counter()
        try:
            answer = await client.request(method, path, **options)
        except httpx.HTTPError as error:
            wrong[f"{kind}: {type(error).__name__}"] += 1
            return
        times.setdefault(kind, []).append(time.perf_counter() - start)
        if answer.status_code >= 400:
            wrong[f"{kind}: {answer.status_code}"] += 1

    await asyncio.sleep(dice.uniform(0, think))
    await ask("page", "GET", "/")
    sent = 0
    while True:
        await asyncio.sleep(dice.expovariate(1 / think))
        if time.time() > until:
            return
        if dice.random() < SUBMITS:
            sent += 1
            said = [f"load{number}/m{sent}", f"{number * 1000 + sent:040x}", "full", BASES[2], "npo", "forget10"]
            said += ["both", "mit", True, False, "", "", "", 0.0, "", None]
            headers = {"x-hf-authorization": f"Bearer load{number}"}
            await ask("submit", "POST", "/gradio_api/run/submit", json={"data": said}, headers=headers)
        elif dice.random() < TABLES:
            data = [
                dice.choice(("", "npo", "model-9")), dice.choice(("all", *FORGET_SETS)), dice.choice(("all", *BASES)),
                dice.choice(("all", *MODALITIES)), True, dice.choice(("rank", "D", "-Utility", "newest")), [*DEFAULT],
            ]  # fmt: skip
            said = {"data": data, "fn_index": listener, "session_hash": f"load{number}"}
            await ask("table", "POST", "/gradio_api/run/predict", json=said)
        else:
            data = [
                dice.choice(("", *FORGET_SETS)), dice.choice(("", *BASES)), dice.choice(("", *MODALITIES)), True,
                dice.choice(("", "npo", "model-9")), dice.choice(("rank", "D", "utility", "newest")),
                dice.randrange(1, 4),
            ]  # fmt: skip
            await ask("filter", "POST", "/gradio_api/run/leaderboard", json={"data": data})


async def load(url: str, sessions: int, seconds: float, think: float) -> tuple[dict, Counter]:
    """Return all sessions at once."""
    times: dict[str, list[float]] = {}
    wrong: Counter = Counter()
    until = time.time() + seconds
    limits = httpx.Limits(max_connections=None)  # every session has its own connection
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        config = (await client.get("/config")).json()
        # What the filters have in common is the listener with the most events.
        listener = max(config["dependencies"], key=lambda dependency: len(dependency["targets"]))["id"]
        await asyncio.gather(
            *(session(client, listener, number, until, think, times, wrong) for number in range(sessions))
        )
    return times, wrong


def main() -> None:
    """Fill a store, serve it, and print what the sessions saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=20, help="mean seconds between two requests of a session")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "leaderboard.sqlite", free_port()
        fill(path, options.rows)
        with subprocess.Popen([sys.executable, "-c", SERVE, str(path), str(port)]) as page:
            try:
                url = f"http://127.0.0.1:{port}"
                wait(url)
                times, wrong = asyncio.run(load(url, options.sessions, options.seconds, options.think))
            finally:
                page.terminate()
    print(f"{options.rows} rows, {options.sessions} sessions, {options.think:g} s to think, {options.seconds:g} s")
    for kind, values in sorted(times.items()):
        median, high = np.percentile(np.array(values) * 1000, [50, 95])
        print(f"{kind:<7} {len(values):>5} requests  p50 {median:6.0f} ms  p95 {high:6.0f} ms")
    print("failed:", dict(wrong) or "none")


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait(url: str) -> None:
    """Wait until the page answers, and has answered a filter: what is loaded once is not measured."""
    for _ in range(200):
        try:
            httpx.get(url, timeout=10)
            httpx.post(
                f"{url}/gradio_api/run/leaderboard", json={"data": ["", "", "", True, "", "rank", 1]}, timeout=60
            )
        except httpx.HTTPError:
            time.sleep(0.3)
        else:
            return
    raise TimeoutError(url)


if __name__ == "__main__":
    main()
