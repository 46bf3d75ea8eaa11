"""The leaderboard on the Hub: the Space, the dataset with its results beside it, and a store rebuilt from that."""

import tempfile
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import snapshot_download

from clear_data.publishing.hub_commit import Pushed, hub_errors, push_files
from leaderboard_app.bases import read_bases
from leaderboard_app.store.mirror import read_mirror, write_mirror
from leaderboard_app.store.store import Store

ROOT = Path(__file__).parents[1]
SENT = (".py", ".css", ".jinja", ".txt", ".typed")  # of a room, to the Space
BASES = "bases.json"  # where `leaderboard_app/space_start.py` looks for it


def space_files(space: str, results: str) -> dict[str, Path | bytes]:
    """The files of the Space: two rooms without torch, a small app, its card and requirements.

    Args:
        space: `namespace/name` of the Space.
        results: `namespace/name` of the dataset with the results.
    """
    files: dict[str, Path | bytes] = {}
    for room in ("leaderboard_app", "evaluate_metrics"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and path.suffix in SENT and "__pycache__" not in path.parts:
                files[path.relative_to(ROOT).as_posix()] = path
    for name in ("README.md", "app.py", "requirements.txt"):
        text = (ROOT / "leaderboard_app" / "space" / f"{name}.txt").read_text()
        text = text.replace("SPACE", space).replace("RESULTS", results)
        files[name] = text.replace("GRADIO_VERSION", version("gradio")).encode()
    return files


def push_space(space: str, results: str, private: bool = False, bases: Path | None = None) -> Pushed:
    """Publishes the Space in one commit.

    Args:
        space: `namespace/name` of the Space.
        results: `namespace/name` of the dataset with the results.
        private: Make a new repository private.
        bases: `bases.json`, without which the Space takes no submissions.

    Raises:
        PermissionError, ValueError, FileNotFoundError, ConnectionError: As `push_files`.
    """
    files = space_files(space, results)
    if bases:
        read_bases(bases)
        files[BASES] = bases
    return push_files(space, "space", files, "The leaderboard", "leaderboard_app/*", private=private)


def push_results(store: Store, results: str, private: bool = False) -> Pushed:
    """Mirrors the store to a dataset in one commit: only what changed, retried with backoff, all of it or none.

    Raises:
        PermissionError, ValueError, FileNotFoundError, ConnectionError: As `push_files`.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_mirror(store, Path(folder))
        files: dict[str, Path | bytes] = {
            path.relative_to(folder).as_posix(): path for path in sorted(Path(folder).rglob("*")) if path.is_file()
        }
        return push_files(results, "dataset", files, "Results of the leaderboard", "logs/*", private=private)


def restore(path: Path, results: str) -> int:
    """Rebuilds an empty store from the dataset.

    Args:
        path: Of the store, which must be empty or missing.
        results: `namespace/name` of the dataset.

    Returns:
        How many submissions it has.

    Raises:
        ValueError: If the store is not empty.
        PermissionError, FileNotFoundError, ConnectionError: If the Hub does not give it.
    """
    with tempfile.TemporaryDirectory() as folder, hub_errors(f"dataset {results}"):
        snapshot_download(results, repo_type="dataset", local_dir=folder)  # nosec B615: its newest commit is wanted
        return read_mirror(Store(path), Path(folder))
