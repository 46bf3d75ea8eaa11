"""How the Space starts: on its own disk if it has one, from the results dataset if that is empty."""

import os
import tempfile
from pathlib import Path

from huggingface_hub import snapshot_download

from .app import build_app, serve
from .bases import read_bases
from .intake import check_of
from .mirror import read_mirror
from .store import Store

BASES = "bases.json"  # beside the Space's app.py
DISK = Path("/data")  # a Space's persistent storage, if its keeper has given it one


def start(results: str) -> None:
    """Serves the page.

    Args:
        results: Dataset with the results, `namespace/name`.
    """
    place = Path(os.environ.get("LEADERBOARD_STORE") or (DISK if DISK.is_dir() else Path()) / "leaderboard.sqlite")
    is_new = not place.exists()
    store = Store(place)
    if is_new:
        with tempfile.TemporaryDirectory() as folder:
            snapshot_download(results, repo_type="dataset", local_dir=folder)
            read_mirror(store, Path(folder))
    bases = read_bases(Path(BASES)) if Path(BASES).is_file() else {}
    serve(build_app(store, check_of(bases) if bases else None, list(bases)))
