"""On mini each method moves the forget captions by more than gold models differ, or the docs say that it does not."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from evaluate_metrics.log_format import FORGET_TASK, read_log
from tests.clear_pipeline.test_demo import COMMAND, ENVIRONMENT
from trainers import METHODS

PAGE = Path(__file__).parents[2] / "docs/methods.md"
GOLDS = 3


def forgets_by_the_docs() -> dict[str, bool]:
    """What the column `on mini` says of each method."""
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (forgets|does not forget: [^|]+) \| [^|]+ \|$", PAGE.read_text(), re.MULTILINE
    )
    return {method: text == "forgets" for method, text in rows}


def place_of(log: Path) -> np.ndarray:
    """Mean loss per token of the forget captions, in nats, and mean log truth ratio."""
    task = read_log(log)[FORGET_TASK]
    return np.array([task.loss.mean(), np.log(task.truth_ratios()).mean()])


def noise(golds: list[Path]) -> np.ndarray:
    """What two gold models differ by at most, in 95 of 100 pairs: by Student's t, since there are few of them."""
    places = np.array([place_of(log) for log in golds])
    return t.ppf(0.975, len(golds) - 1) * np.sqrt(2) * places.std(0, ddof=1)


def test_the_docs_speak_of_every_method():
    assert list(forgets_by_the_docs()) == list(METHODS)


def run(*arguments: object) -> None:
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_each_method_forgets_or_the_docs_say_that_it_does_not(tmp_path):
    demo, golds = tmp_path / "demo", tmp_path / "golds"
    run("demo", "--output", demo, "--seed", 0, "--methods", ",".join(METHODS))
    run("calibrate", "--output", golds, "--golds", GOLDS, "--forget", "forget10", "--seed", 0)
    bound = noise([golds / "logs" / f"forget10-{gold}" for gold in range(GOLDS)])
    original = place_of(demo / "logs/original")
    moved = {method: np.abs(place_of(demo / "logs" / method) - original) for method in METHODS}
    assert (np.abs(place_of(demo / "logs/gold") - original) > bound).all()
    found = {method: bool((change > bound).any()) for method, change in moved.items()}
    assert found == forgets_by_the_docs(), f"noise {bound}, moved by {moved}"
