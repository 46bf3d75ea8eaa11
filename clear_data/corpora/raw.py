"""People of your own: a folder of photos with `people.jsonl`, `qa.jsonl` and questions about real faces and the world.

`people.jsonl` has a person a line: `{"name": ..., "photos": [{"file": "ana/1.jpg", "caption": ...}, ...]}`, and
perhaps `"forget": "forget05"`, the smallest forget set that has this person: it is in the larger ones too. A photo may
have `paraphrased_caption`, `perturbed_captions` and `perturbed_names` (all three or none): such photos are scored.
`qa.jsonl` (may be missing) has a question a line: `name`, `question`, `answer`, and perhaps `paraphrased_answer` and
`perturbed_answer`. `real_faces.jsonl` and `real_world.jsonl` (may be missing) have `file`, `question`, `answer` and
`options`, the wrong answers; several questions may be about one file. Paths are relative to the folder.

`json_lines` and what follows it read any file of one JSON object a line; their errors name the line.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from clear_data.building.pictures import Pictures
from clear_data.checks.findings import REAL
from clear_data.configs import FORGET
from clear_data.names import join_key, name_problem

Row = dict[str, Any]


@dataclass(frozen=True)
class RawFolder:
    """What the folder holds; an image is the path of its file.

    Attributes:
        people: Names, in the order of `people.jsonl`.
        forget: The smallest forget set of those who have one.
        photos: Their photos with all that is said of them.
        texts: Their questions.
        real: Rows of real_faces and real_world, as far as they are there.
    """

    people: list[str]
    forget: dict[str, str]
    photos: list[Row]
    texts: list[Row]
    real: dict[str, list[Row]]


class _PhotoFiles:
    """The photos of the folder: each is whole, lies in the folder and belongs to one place only."""

    def __init__(self, folder: Path, pictures: Pictures) -> None:
        self._folder = folder.resolve()
        self._pictures = pictures
        self._owners: dict[Path, str] = {}

    def claim(self, row: Row, owner: str, where: str, again: bool = False) -> Path:
        """Return the photo that a row names; with `again`, several rows of one owner may name it.

        Raises:
            ValueError: If it is missing, outside the folder, broken, or somebody else's.
        """
        require_text(row, ("file",), where)
        path = (self._folder / row["file"]).resolve()
        if not path.is_relative_to(self._folder):
            raise ValueError(f"{where}: the photo {row['file']!r} lies outside the folder")
        if not path.is_file():
            raise ValueError(f"{where}: there is no photo {row['file']!r} in {self._folder}")
        if path in self._owners and not (again and self._owners[path] == owner):
            raise ValueError(f"{where}: the photo {row['file']!r} of {owner} is also one of {self._owners[path]}")
        self._owners[path] = owner
        try:
            self._pictures.pixels(path)
        except ValueError as error:
            raise ValueError(f"{where}: {row['file']!r}: {error}") from error
        return path

    def check_all_claimed(self) -> None:
        """Check that no photo is left over.

        Raises:
            ValueError: If one is nobody's.
        """
        endings = {ending for ending, name in Image.registered_extensions().items() if name in Image.OPEN}
        photos = (path for path in self._folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
        nobodys = sorted(str(path.relative_to(self._folder)) for path in photos if path.resolve() not in self._owners)
        if nobodys:
            more = f" and {len(nobodys) - 1} more" if nobodys[1:] else ""
            raise ValueError(f"{self._folder}: nobody is on the photo {nobodys[0]!r}{more}: name it or remove it")


def read_raw(folder: Path, pictures: Pictures) -> RawFolder:
    """Read and check the folder.

    Args:
        folder: Of photos.
        pictures: Learns the photos.

    Raises:
        FileNotFoundError: If there is no `people.jsonl`.
        ValueError: If anything is wrong; file, line, field and value are named.
    """
    files = _PhotoFiles(folder, pictures)
    photos = list(_photos(folder / "people.jsonl", files))
    people = list(dict.fromkeys(row["name"] for row in photos))
    forget = {row["name"]: row["forget"] for row in photos if row["forget"] is not None}
    qa = folder / "qa.jsonl"
    texts = list(_texts(qa, people)) if qa.exists() else []
    real = {name: list(_real(folder / f"{name}.jsonl", files)) for name in REAL if (folder / f"{name}.jsonl").exists()}
    files.check_all_claimed()
    return RawFolder(people, forget, photos, texts, real)


def _photos(path: Path, files: _PhotoFiles) -> Iterator[Row]:
    lines: dict[str, str] = {}
    for where, row in json_lines(path):
        name = row.get("name")
        if problem := name_problem(name):
            raise ValueError(f"{where}: {problem}")
        key = join_key(str(name))
        if key in lines:
            raise ValueError(f"{where}: {name!r} is a person already, in {lines[key]}")
        lines[key] = where
        if (forget := row.get("forget")) not in (None, *FORGET):
            raise ValueError(f"{where}: 'forget' must be one of {', '.join(FORGET)}, or left out; not {forget!r}")
        photos = row.get("photos")
        if not isinstance(photos, list) or not photos:
            raise ValueError(f"{where}: {name!r} has no photos; 'photos' must be a list of them, not {photos!r}")
        for number, photo in enumerate(photos):
            spot = f"{where}, photo {number}"
            if not isinstance(photo, dict):
                raise ValueError(f'{spot}: must be {{"file": ..., "caption": ...}}, not {photo!r}')
            require_text(photo, ("file", "caption"), spot)
            _require_all_or_none(photo, "paraphrased_caption", ("perturbed_captions", "perturbed_names"), spot)
            yield {**photo, "image": files.claim(photo, str(name), spot), "name": name, "forget": forget}


def _texts(path: Path, people: list[str]) -> Iterator[Row]:
    spelling = {join_key(name): name for name in people}
    for where, row in json_lines(path):
        require_text(row, ("name", "question", "answer"), where)
        key = join_key(row["name"])
        if key not in spelling:
            raise ValueError(f"{where}: {row['name']!r} is not in people.jsonl; it has {', '.join(people[:5])}, ...")
        _require_all_or_none(row, "paraphrased_answer", ("perturbed_answer",), where)
        yield {**row, "name": spelling[key]}


def _real(path: Path, files: _PhotoFiles) -> Iterator[Row]:
    for where, row in json_lines(path):
        require_text(row, ("file", "question", "answer"), where)
        require_texts(row, ("options",), where)
        yield {**row, "image": files.claim(row, path.stem, where, again=True)}


def _require_all_or_none(row: Row, paraphrase: str, lists: tuple[str, ...], where: str) -> None:
    """Check the columns that only scored rows have."""
    if any(row.get(column) is not None for column in (paraphrase, *lists)):
        require_text(row, (paraphrase,), where)
        require_texts(row, lists, where)


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the objects, each with its place (`people.jsonl, line 3`); blank lines and a byte order mark are skipped.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a JSON object, or there is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    found = False
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if not line.strip():
                continue
            try:
                row = json.loads(line.rstrip(b"\r\n"))
            except json.JSONDecodeError as error:
                raise ValueError(f"{where}, column {error.colno}: {error.msg}") from error
            except UnicodeDecodeError as error:
                raise ValueError(f"{where}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"{where}: needs a JSON object {{...}}, not {str(row)[:40]!r}")
            found = True
            yield where, row
    if not found:
        raise ValueError(f"{path} is empty; it needs one JSON object a line")


def require_text(row: dict[str, Any], columns: tuple[str, ...], where: str) -> None:
    """Check that columns hold text.

    Raises:
        ValueError: If one is missing, empty or no text.
    """
    for column in columns:
        value = row.get(column)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{where}: {column!r} must be text, not {value!r}; needed are {', '.join(columns)}")


def require_texts(row: dict[str, Any], columns: tuple[str, ...], where: str) -> None:
    """Check that columns hold lists of text, with something in them.

    Raises:
        ValueError: If one does not.
    """
    for column in columns:
        value = row.get(column)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v.strip() for v in value):
            raise ValueError(f"{where}: {column!r} must be a list of texts, not {value!r}")
