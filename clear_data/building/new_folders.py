"""New folders all or none: written aside, then moved to their places, so that nothing is ever half there."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .folder import META


@contextmanager
def new_folders(places: Sequence[Path], overwrite: bool) -> Iterator[list[Path]]:
    """Give a path to write for each place, and move what was written there once the block has ended well.

    A failure or Ctrl-C, in the block or while moving, leaves the places as they were.

    Args:
        places: Folders that there shall be; all in one parent, which is made if it is missing. Where nothing was
            written for a place, there is nothing at it in the end.
        overwrite: Replace what is there, if it is a built dataset; nothing else is ever removed.

    Raises:
        ValueError: If a place has no name, as `.` has none.
        FileExistsError: If a place is taken and `overwrite` is off, or what is there is no built dataset.
    """
    for place in places:
        if place.name in ("", ".."):
            raise ValueError(f"{str(place)!r} cannot be replaced by a dataset; give the name of a new folder")
        if place.exists() and not overwrite:
            raise FileExistsError(f"{place} exists; choose another --output, or --overwrite to replace it")
        if place.exists() and not (place / META).is_file():
            raise FileExistsError(f"{place} is not a built dataset (it has no {META}): it is not overwritten")
    parent = places[0].parent
    parent.mkdir(parents=True, exist_ok=True)
    # Beside the places, since only within a file system a folder moves in one step.
    with tempfile.TemporaryDirectory(prefix=f".{places[0].name}-", dir=parent) as staging:
        written = [Path(staging, place.name) for place in places]
        yield written
        _move(written, places, Path(staging))


def _move(written: Sequence[Path], places: Sequence[Path], staging: Path) -> None:
    """Move the written folders to their places; what was there goes aside, and back if anything fails."""
    undo: list[tuple[Path, Path]] = []
    try:
        for new, place in zip(written, places, strict=True):
            for source, target in ((place, staging / f"{place.name}.old"), (new, place)):
                if source.exists():
                    source.rename(target)
                    undo.append((target, source))
    except BaseException:
        for target, source in reversed(undo):
            target.rename(source)
        raise
