"""Run folders: what is finished is not done twice, what was interrupted is resumed, another run's folder is refused.

A run works in `<folder>.part` and renames it to `<folder>` when everything is there. `run.json` in it says what the
run is: a folder whose settings differ is another run's and is left as it is.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"


def write_json(path: Path, content: Any) -> None:
    """Write JSON into a temporary file beside `path` and rename it: never half a file."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    part.rename(path)


def side_result(
    file: Path, kind: str, about: Any, reuse: Sequence[Path], measure: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a result of a run: from its side file, else from another one about the same, else measured now.

    Args:
        file: Side file of the result; it is written if it is not there.
        kind: Names of files with such results begin with it and a hyphen.
        about: What the result is about, plain JSON values; it stands in the file as `about`.
        reuse: Folders of side files.
        measure: Returns the result, plain JSON values.
    """
    paths = [file, *(path for folder in reuse for path in sorted(folder.glob(f"{kind}-*.json")))]
    known = (json.loads(path.read_text()) for path in paths if path.is_file())
    content = next((one for one in known if one["about"] == about), None) or {"about": about, **measure()}
    if not file.exists():
        write_json(file, content)
    return content


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files that belong together: all old ones stay until all new ones are ready.

    Args:
        folder: Made if it is missing.
        files: Content of each, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.part").write_bytes(content.encode() if isinstance(content, str) else content)
    for name in files:
        (folder / f"{name}.part").rename(folder / name)


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return what `run.json` of a folder says, None if there is no such folder.

    Raises:
        ValueError: If the folder holds something else than a run.
    """
    if not folder.exists():
        return None
    try:
        return json.loads((folder / RUN_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{folder} exists and holds no {RUN_FILE}: it is not a run of ours; choose another output"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / RUN_FILE} is damaged ({error}); delete {folder} to run it again") from None


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's identity is: its settings, with digests instead of the places that have one.

    A model that was moved is the same model; a model that was trained again in its place is another one.
    """
    digests = settings.get("digests", {})
    return {**{name: value for name, value in settings.items() if name not in digests}, "digests": digests}


class Run:
    """One step with one output folder.

    Args:
        folder: Where its results are when it is finished.
        settings: What the run is; plain JSON values. `digests` has the content of the places among them.
        overwrite: Delete a finished run with other settings, and start anew.

    Raises:
        ValueError: If the folder, finished or not, belongs to a run with other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        self.folder = folder
        self.part = folder.with_name(folder.name + ".part")
        self.settings = json.loads(json.dumps(settings))
        self.overwrite = overwrite
        self.record = self._own(folder)
        self._started = time.monotonic()

    @property
    def finished(self) -> bool:
        """Return whether the results are there already."""
        return self.record is not None

    def _own(self, folder: Path) -> dict[str, Any] | None:
        """Return the record of a folder if it belongs to this run.

        Raises:
            ValueError: If it belongs to another run.
        """
        record = read_run(folder)
        if record is None:
            return None
        here, there = (_flat(identity(settings)) for settings in (self.settings, record["settings"]))
        if here == there:
            return record
        if self.overwrite:
            return None
        other = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
        seen = ", ".join(f"{name.removeprefix('digests.')}={there.get(name)!r}" for name in other)
        raise ValueError(
            f"{folder} holds another run ({seen}); choose another output, or replace it with --overwrite true"
        )

    def start(self) -> Path:
        """Return the folder to work in: a new one, or that of the same run, interrupted."""
        before = self._own(self.part)
        if before is None and self.part.exists():  # another run's, to be overwritten
            shutil.rmtree(self.part)
        self.part.mkdir(parents=True, exist_ok=True)
        seconds = before["seconds"] if before else 0.0
        self._started = time.monotonic() - seconds
        self.note()
        return self.part

    def give_up(self) -> None:
        """Remove the folder to work in if nothing was done there: a user's mistake leaves nothing behind."""
        if [path.name for path in self.part.iterdir()] == [RUN_FILE]:
            shutil.rmtree(self.part)

    @contextmanager
    def side_files(self, name: str) -> Iterator[Path]:
        """Give a folder for results that a resumed run finds again; without any, an error leaves nothing behind."""
        place = self.part / name
        place.mkdir(exist_ok=True)
        try:
            yield place
        except BaseException:
            if not any(place.iterdir()):
                place.rmdir()
                self.give_up()
            raise

    def note(self) -> None:
        """Record how long the run has worked, so that a resumed run counts all of it."""
        seconds = round(time.monotonic() - self._started, 2)
        write_json(self.part / RUN_FILE, {"settings": self.settings, "seconds": seconds})

    def finish(self, **results: Any) -> dict[str, Any]:
        """Record the results, delete the checkpoints and what is kept with them, and move the folder."""
        for folder in (*self.part.glob("checkpoint-*"), *self.part.glob("kept-*")):
            shutil.rmtree(folder)
        seconds = round(time.monotonic() - self._started, 2)
        self.record = {"settings": self.settings, "seconds": seconds, **results}
        write_json(self.part / RUN_FILE, self.record)
        if self.folder.exists():  # only with `overwrite`
            shutil.rmtree(self.folder)
        self.part.rename(self.folder)
        return self.record


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping, so that a difference is named by its key."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
