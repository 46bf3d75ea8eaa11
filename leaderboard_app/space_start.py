"""How the Space starts: on its own disk if it has one, from the results dataset if that is empty; and what it mirrors.

Its secrets: HF_TOKEN, which may write to the dataset, and LEADERBOARD_SECRET, which workers send.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

from huggingface_hub import HfApi, get_token, snapshot_download
from huggingface_hub.errors import HTTPError

from .api.api import SECRET
from .app import build_app, serve
from .bases import read_bases
from .intake.submission_checks import check_of
from .store.mirror import read_mirror, write_mirror
from .store.store import Store

BASES = "bases.json"  # beside the Space's app.py
DISK = Path("/data")  # a Space's persistent storage, if its keeper has given it one
PAUSE = float(os.environ.get("LEADERBOARD_PAUSE", "300"))  # seconds between two mirrors


def start(results: str) -> None:
    """Serve the page.

    Args:
        results: Dataset with the results, `namespace/name`.
    """
    place = Path(os.environ.get("LEADERBOARD_STORE") or (DISK if DISK.is_dir() else Path()) / "leaderboard.sqlite")
    is_new = not place.exists()
    store = Store(place)
    if is_new:
        with tempfile.TemporaryDirectory() as folder:
            # Its newest commit is wanted: the dataset is the keepers' own, and only data.
            snapshot_download(results, repo_type="dataset", local_dir=folder)  # nosec B615
            read_mirror(store, Path(folder))
    if get_token():
        threading.Thread(target=mirror_forever, args=(store, results), daemon=True).start()
    bases = read_bases(Path(BASES)) if Path(BASES).is_file() else {}
    secret = os.environ.get(SECRET)
    serve(build_app(store, check_of(bases) if bases else None, list(bases), secret), secret)


def mirror_forever(store: Store, results: str) -> None:
    """Bring what has changed to the dataset, every PAUSE seconds; what the Hub does not take is sent next time."""
    sent = store.last_change()
    while True:
        time.sleep(PAUSE)
        there_are = store.last_change()
        if there_are == sent:
            continue
        try:
            mirror_once(store, results)
        except (HTTPError, OSError, RuntimeError) as error:  # RuntimeError: so huggingface_hub wraps an upload's
            print(f"the results were not mirrored, and will be: {error}", flush=True)  # noqa: T201
        else:
            sent = there_are


def mirror_once(store: Store, results: str) -> None:
    """Bring the store to the dataset in one commit."""
    with tempfile.TemporaryDirectory() as folder:
        write_mirror(store, Path(folder))
        HfApi().upload_folder(
            repo_id=results, repo_type="dataset", folder_path=folder, commit_message="Results of the leaderboard"
        )
