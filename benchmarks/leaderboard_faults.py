"""An hour of worker, submitter, page and loopback Hub under faults: what is lost, done twice or half-written?

    python benchmarks/leaderboard_faults.py --minutes 60 --seed 0     # as root, for the full disk

As `leaderboard_crashes.py`, and meanwhile the Hub answers some requests with 429, 500, 502 or 503, late, or loses the
answer; now and then the disk is full; and the page, which a reader asks twice a second, is killed as well. What the
reader sees must never shrink, and never show a row twice.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

LONGEST = 20.0  # seconds until a kill
PATHS = ("/api/models/", "/resolve/", "/api/whoami", "/")
STATUS = (429, 500, 502, 503)
DISK = "256m"
PAGE = 0.1  # share of the rounds in which the page is killed


@contextmanager
def small_disk(home: Path) -> Iterator[Path]:
    """Give a folder on a disk of DISK, a tmpfs."""
    place = home / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@dataclass
class Reader:
    """Asks the page twice a second, and notes what it answers.

    Attributes:
        url: Of the page.
        answers: How often it gave a table, another status, or none.
        wrong: What a reader must not see.
    """

    url: str
    answers: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    most: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Ask until it is over."""
        while not self.over.wait(0.5):
            try:
                said = {"data": ["", "", "", True, "", "newest", 1]}
                answer = httpx.post(f"{self.url}/gradio_api/run/leaderboard", json=said, timeout=30)
            except httpx.HTTPError:
                self.answers["no answer"] += 1
                continue
            self.answers[str(answer.status_code)] += 1
            if answer.status_code == 200:
                table = answer.json()["data"][0]
                numbers = [row["id"] for row in table["rows"]]
                self.wrong["a row twice"] += len(numbers) != len(set(numbers))
                self.wrong["fewer rows than before"] += table["total"] < self.most
                self.most = max(self.most, table["total"])


@dataclass
class Strikes:
    """The faults of each round.

    Attributes:
        hub: That is to answer badly.
        disk: That is to be full.
        store: File of the leaderboard.
        serve: Command of the page.
        until: When it is over, by `time.monotonic`.
        struck: How often each happened.
    """

    hub: Any
    disk: Path
    store: Path
    serve: Sequence[str]
    until: float
    struck: Counter[str] = field(default_factory=Counter)
    page: subprocess.Popen[bytes] | None = None

    def __call__(self, dice: random.Random) -> bool:
        """Draw a round's faults; return whether there shall be a round."""
        from tests.loopback_hub.store import Fault

        filler = self.disk / "filler"
        filler.unlink(missing_ok=True)
        for fault in self.hub.faults:
            self.struck[f"Hub: {fault.status}"] += fault.struck
        self.hub.faults = []
        if time.monotonic() > self.until:
            return False
        for _ in range(dice.randrange(4)):
            status = dice.choice(STATUS)
            fault = Fault(dice.choice(("GET", "GET", "HEAD")), dice.choice(PATHS), status, dice.randrange(1, 6))
            fault.after, fault.delay = dice.random() < 0.2, dice.choice((0.0, 0.0, 2.0, 12.0))
            self.hub.faults.append(fault)
        if dice.random() < 0.15:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(self.disk).free - dice.choice((0, 4096, 2**20)))
            self.struck["disk full"] += 1
        if self.page is not None and self.page.poll() is None and dice.random() < PAGE:
            self.page.kill()
            self.page.wait()
            self.struck["page killed"] += 1
        if self.store.exists() and (self.page is None or self.page.poll() is not None):
            self.page = subprocess.Popen(self.serve, stderr=subprocess.DEVNULL)
        return True


def main() -> None:
    """Let faults strike for a while, end the work without them, and print the count."""
    from benchmarks.leaderboard_crashes import run_rounds
    from benchmarks.leaderboard_load import SERVE, free_port
    from tests.leaderboard_app.crash_stage import crash_stage

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds until a kill (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="leaderboard-faults-"))
    with small_disk(home) as disk, crash_stage(home, options.models) as (base, said, hub):
        port, store, until = str(free_port()), disk / "run" / "store.sqlite", time.monotonic() + 60 * options.minutes
        strikes = Strikes(hub, disk, store, [sys.executable, "-c", SERVE, str(store), port], until)
        reader = Reader(f"http://127.0.0.1:{port}")
        reading = ThreadPoolExecutor(1).submit(reader.read)
        try:
            found = run_rounds(
                disk / "run", base, said, hub.url, options.models, 10**6, options.seed, 3600, options.longest, strikes
            )
            time.sleep(20)  # the reader sees the end
        finally:
            reader.over.set()
            if strikes.page is not None:
                strikes.page.kill()
                strikes.page.wait()
        reading.result()
    shutil.rmtree(home)
    wrong = {name: reader.wrong[name] for name in ("a row twice", "fewer rows than before")}
    seen = {**reader.answers, **wrong, "rows": reader.most}
    print(json.dumps({**found, "struck": strikes.struck, "reader": seen}, indent=2))


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
