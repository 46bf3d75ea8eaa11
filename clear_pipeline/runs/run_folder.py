"""Run folders: what is finished is not done twice, what was interrupted is resumed, another run's folder is refused.

A run works in `<folder>.part` and renames it to `<folder>` when everything is there. `run.json` in it says what the
run is: a folder whose settings differ is another run's and is left as it is.
"""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"


def write_json(path: Path, content: Any) -> None:
    """Write JSON into a temporary file beside `path` and rename it: never half a file."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    part.rename(path)


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return what `run.json` of a folder says, None if there is no such folder.

    Raises:
        ValueError: If the folder holds something else than a run.
    """
    if not folder.exists():
        return None
    try:
        return json.loads((folder / RUN_FILE).read_text())
    except FileNotFoundError:
        raise ValueError(
            f"{folder} exists and holds no {RUN_FILE}: it is not a run of ours; choose another output"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / RUN_FILE} is damaged ({error}); delete {folder} to run it again") from None


class Run:
    """One step with one output folder.

    Args:
        folder: Where its results are when it is finished.
        settings: What the run is; plain JSON values.

    Raises:
        ValueError: If the folder, finished or not, belongs to a run with other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.part = folder.with_name(folder.name + ".part")
        self.settings = json.loads(json.dumps(settings))
        self.record = self._own(folder)
        self._started = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether the results are there already."""
        return self.record is not None

    def _own(self, folder: Path) -> dict[str, Any] | None:
        record = read_run(folder)
        if record is not None and record["settings"] != self.settings:
            names = self.settings.keys() | record["settings"].keys()
            other = sorted(name for name in names if record["settings"].get(name) != self.settings.get(name))
            seen = ", ".join(f"{name}={record['settings'].get(name)!r}" for name in other)
            raise ValueError(f"{folder} holds another run ({seen}); choose another output or delete it")
        return record

    def start(self) -> Path:
        """Return the folder to work in: a new one, or that of the same run, interrupted."""
        before = self._own(self.part)
        self.part.mkdir(parents=True, exist_ok=True)
        seconds = before["seconds"] if before else 0.0
        self._started = time.monotonic() - seconds
        self.note()
        return self.part

    def give_up(self) -> None:
        """Remove the folder to work in if nothing was done there: what the user can mend leaves nothing behind."""
        if [path.name for path in self.part.iterdir()] == [RUN_FILE]:
            shutil.rmtree(self.part)

    def note(self) -> None:
        """Write down how long the run has worked, so that a resumed one counts all of it."""
        seconds = round(time.monotonic() - self._started, 2)
        write_json(self.part / RUN_FILE, {"settings": self.settings, "seconds": seconds})

    def finish(self, **results: Any) -> dict[str, Any]:
        """Record the results, delete the checkpoints and what is kept with them, and move the folder."""
        for folder in (*self.part.glob("checkpoint-*"), *self.part.glob("kept-*")):
            shutil.rmtree(folder)
        seconds = round(time.monotonic() - self._started, 2)
        self.record = {"settings": self.settings, "seconds": seconds, **results}
        write_json(self.part / RUN_FILE, self.record)
        self.part.rename(self.folder)
        return self.record
