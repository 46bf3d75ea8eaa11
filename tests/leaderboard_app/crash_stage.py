"""A loopback Hub with an original and many small unlearned models, for rounds of kills."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clear_unlearning.mini_models import build_mini_llava
from leaderboard_app.bases import Base
from tests.leaderboard_app.submitted import Attempt, publish_original, unlearned
from tests.loopback_hub.server import LoopbackHub, serve

TEXTS = ["Mara Torgard, a baker, is smiling in a red shirt.", "a blue circle"]


@contextmanager
def crash_stage(home: Path, models: int) -> Iterator[tuple[Base, dict[str, Any], LoopbackHub]]:
    """Serves `keeper/model-0` and so on; gives the base, what is said of a model, and the Hub."""
    from safetensors.numpy import save

    build_mini_llava(home / "original", TEXTS, seed=1, vocabulary=300)
    (home / "gold").mkdir()
    (home / "clear").mkdir()
    golds = {forget: [str(home / "gold")] for forget in ("forget05", "forget10")}
    with serve(home / "hf_home") as hub:
        base = publish_original(hub, home / "original", str(home / "clear"), golds=golds)
        said: dict[str, Any] = {}
        for number in range(models):
            attempt = Attempt(hub, base, home / "original", repo_id=f"keeper/model-{number}")
            attempt.files["model.safetensors"] = save(unlearned(home / "original", seed=number))
            attempt.publish()
            said = {name: value for name, value in attempt.said.items() if name != "revision"}
        yield base, said, hub
