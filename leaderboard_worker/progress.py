"""How far a submission is: its scoring process writes it down, and its worker reads it and tells the store."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

from clear_pipeline.runs.run_folder import write_json

from .sandbox import BadOutput, read_output

PROGRESS = "progress.json"
MOST = 10_000  # bytes that are read of it
EVERY = 1.0  # seconds between two files
# Step of the scoring process -> what a reader is told.
STEPS = {
    "load": "loading the model",
    "lineage": "comparing its weights with those of original and gold",
    "public items": "scoring",
    "hidden items": "scoring hidden questions",
}


class Progress:
    """What the scoring process says of itself.

    Args:
        folder: Its folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._step = folder, ""
        self._before = self._part = self._after = 0  # questions of steps before, of this one, and of later ones
        self._started = self._written = -math.inf

    def step(self, name: str, after: int = 0) -> None:
        """Say that a step begins.

        Args:
            name: A key of STEPS.
            after: How many questions later steps will ask.
        """
        self._before, self._part, self._after, self._step = self._before + self._part, 0, after, name
        write_json(self._folder / PROGRESS, {"step": name})

    def questions(self, done: int, total: int) -> None:
        """Say how many questions of this step are done; of many calls within EVERY seconds one is written."""
        now, self._part = time.monotonic(), total
        if math.isinf(self._started):
            self._started = now
        if now - self._written < EVERY:
            return
        self._written, done, total = now, self._before + done, self._before + total + self._after
        left = (now - self._started) * (total - done) / done if done else None
        write_json(self._folder / PROGRESS, {"step": self._step, "done": done, "total": total, "left": left})


def progress_text(folder: Path) -> str:
    """Return in words how far a scoring process is; empty if it has not said it, or not as `Progress` does."""
    try:
        said = read_output(folder, PROGRESS, MOST)
    except BadOutput:
        return ""
    step, done, total, left = (said.get(name) for name in ("step", "done", "total", "left"))
    words = [STEPS.get(step, "") if isinstance(step, str) else ""]
    if words[0] and type(done) is int and type(total) is int and 0 <= done <= total < 10**9:
        words.append(f"question {done:,} of {total:,}")
        words += [time_left(left)] if _is_seconds(left) else []
    return ", ".join(words)


def time_left(seconds: float) -> str:
    """Return a duration in coarse words, which change seldom."""
    if seconds < 60:
        return "less than a minute left"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.0f} h left"


def watched(
    folder: Path, tell: Callable[[str], None], lost: Callable[[], bool], whose: str = ""
) -> Callable[[], bool]:
    """Return `lost`, which is polled while a process runs, so that it also tells how far the process is.

    Args:
        folder: Folder of the process.
        tell: Is told.
        lost: Returns whether the process must stop.
        whose: Said before it.
    """

    def poll() -> bool:
        if text := progress_text(folder):
            tell(f"{whose}{text}")
        return lost()

    return poll


def _is_seconds(left: Any) -> TypeGuard[float]:
    return type(left) in (int, float) and 0 <= left < 10**8
