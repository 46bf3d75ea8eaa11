"""A model repository of the Hub as the checks see it: its files at one commit, read in small pieces, never loaded.

An `Original` holds what can be known in this way of the model that submissions start from.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from leaderboard_app.bases import Base

from .safetensors_header import LENGTH_BYTES, Tensor, header_length, parse_header

MOST_FILES = 500
FIRST_READ = 100_000  # bytes: most headers are shorter
SECONDS = 20.0
CONFIG, INDEX, TOKENIZER = "config.json", "model.safetensors.index.json", "tokenizer.json"
WEIGHTS = "model.safetensors"
INDEX_LIMIT, TOKENIZER_LIMIT, CONFIG_LIMIT = 10_000_000, 50_000_000, 1_000_000  # bytes


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: its bytes, and their SHA-256 where the Hub keeps it as an LFS file."""

    size: int
    sha256: str | None


@dataclass(frozen=True)
class Repository:
    """A model repository at one commit.

    Attributes:
        repo_id: `namespace/name`, as the Hub spells it.
        commit: Full id.
        card: Header of its card.
        files: By path.
    """

    api: HfApi
    repo_id: str
    commit: str
    card: Mapping[str, Any]
    files: Mapping[str, RemoteFile]

    def read(self, path: str, first: int, last: int) -> bytes:
        """Return bytes `first` to `last` of a file, both included.

        Raises:
            ConnectionError: If the Hub does not give them.
        """
        url = hf_hub_url(self.repo_id, path, revision=self.commit, endpoint=self.api.endpoint)
        headers = {**build_hf_headers(token=self.api.token), "Range": f"bytes={first}-{last}"}
        wanted, content = last - first + 1, bytearray()
        with (
            hub_answers(f"{self.repo_id}, {path}"),
            get_session().stream("GET", url, headers=headers, timeout=SECONDS, follow_redirects=True) as answer,
        ):
            hf_raise_for_status(answer)
            for part in answer.iter_bytes():
                content += part
                if len(content) >= wanted:  # whatever else is sent is not read
                    break
        return bytes(content[:wanted])

    def read_json(self, path: str, limit: int) -> dict[str, Any]:
        """Return a small JSON file.

        Raises:
            ValueError: If it is too large or no JSON object.
            ConnectionError: If the Hub does not give it.
        """
        size = self.files[path].size
        if not 0 < size <= limit:
            raise ValueError(f"{path} has {size} bytes; 1 to {limit} are read")
        try:
            content = json.loads(self.read(path, 0, size - 1).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not valid JSON: {str(error)[:200]}") from None
        if not isinstance(content, dict):
            raise ValueError(f"{path} is not a JSON object")
        return content

    def read_tensors(self, path: str) -> dict[str, Tensor]:
        """Return the tensors that a safetensors file holds, by its header.

        Raises:
            ValueError: If the header is not valid.
            ConnectionError: If the Hub does not give it.
        """
        size = self.files[path].size
        try:
            head = self.read(path, 0, min(size, FIRST_READ) - 1) if size else b""
            length = header_length(head, size)
            if LENGTH_BYTES + length > len(head):
                head += self.read(path, len(head), LENGTH_BYTES + length - 1)
            return parse_header(head, size)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


@contextmanager
def hub_answers(what: str) -> Iterator[None]:
    """Turn what the Hub answers into one line.

    Raises:
        ValueError: If it refuses.
        ConnectionError: If it cannot be reached or fails.
    """
    try:
        yield
    except HFValidationError:
        raise ValueError(f"{what[:200]!r} is not an id of the Hub; give NAMESPACE/NAME") from None
    except HfHubHTTPError as error:
        raise _said(what, error) from None
    except HTTPError as error:
        raise ConnectionError(f"{what}: the Hub cannot be reached ({type(error).__name__})") from None


def _said(what: str, error: HfHubHTTPError) -> Exception:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return ValueError(f"{what} is gated: the leaderboard must be able to read it without asking")
    if isinstance(error, RevisionNotFoundError):
        return ValueError(f"{what} has no such revision")
    if isinstance(error, RepositoryNotFoundError):
        return ValueError(f"{what} is not on the Hub, or private: the leaderboard must be able to read it")
    if status == 429 or status >= 500:
        return ConnectionError(f"{what}: the Hub answers {status}; try again later")
    return ValueError(f"{what}: the Hub refuses with {status}")


def open_repository(api: HfApi, repo_id: str, revision: str) -> Repository:
    """Look at a repository; a branch or tag is pinned to the commit that it names now.

    Raises:
        ValueError: If there is no such repository or revision, it is not for everybody, or has too many files.
        ConnectionError: If the Hub fails.
    """
    with hub_answers(repo_id):
        info = api.model_info(repo_id, revision=revision, timeout=SECONDS)
        if info.private or info.gated:
            kind = "private" if info.private else "gated"
            raise ValueError(f"{repo_id} is {kind}: the leaderboard must be able to read it without asking")
        tree = api.list_repo_tree(repo_id, revision=info.sha, recursive=True)
        entries = list(islice(tree, MOST_FILES + 1))
    if len(entries) > MOST_FILES:
        raise ValueError(f"{repo_id} has more than {MOST_FILES} files and folders")
    files = {
        entry.path: RemoteFile(entry.size, entry.lfs.sha256 if entry.lfs else None)
        for entry in entries
        if isinstance(entry, RepoFile)
    }
    card = info.card_data.to_dict() if info.card_data else {}
    return Repository(api, info.id, str(info.sha), card, files)


@dataclass(frozen=True)
class Original:
    """What a submission is compared with.

    Attributes:
        base: Row of `bases.json`.
        config: Its `config.json`.
        tensors: Type and shape of all tensors by name.
        weights: SHA-256 of its weight files.
        vocabulary: See `vocabulary`.
        size: Bytes of its weight files.
    """

    base: Base
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    weights: frozenset[str]
    vocabulary: str | None
    size: int


def read_original(api: HfApi, base: Base) -> Original:
    """Read an original's headers and settings from the Hub.

    Raises:
        ValueError: If it is not there or no model.
        ConnectionError: If the Hub fails.
    """
    repository = open_repository(api, base.original, base.commit)
    tensors: dict[str, Tensor] = {}
    paths = weight_files(repository)
    for path in paths:
        tensors |= repository.read_tensors(path)
    return Original(
        base,
        repository.read_json(CONFIG, CONFIG_LIMIT),
        tensors,
        frozenset(str(repository.files[path].sha256) for path in paths),
        vocabulary(repository),
        sum(repository.files[path].size for path in paths),
    )


def weight_files(repository: Repository) -> list[str]:
    """Return the weight files of a full model: those that its index names, or the one that needs none.

    Raises:
        ValueError: If there are none, or the index names what is not there.
    """
    if INDEX not in repository.files:
        if WEIGHTS not in repository.files:
            raise ValueError(f"{repository.repo_id} has no {WEIGHTS}: weights must be safetensors")
        return [WEIGHTS]
    places = repository.read_json(INDEX, INDEX_LIMIT).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise ValueError(f"{INDEX} has no weight_map")
    for place in sorted(set(places.values())):
        if place not in repository.files or "/" in place or "\\" in place or not place.endswith(".safetensors"):
            raise ValueError(f"{INDEX} points at {place[:200]!r}, which is not a weight file of the repository")
    return sorted(set(places.values()))


def vocabulary(repository: Repository) -> str | None:
    """Return the digest of which text each token id stands for; None where the repository brings no `tokenizer.json`.

    Raises:
        ValueError: If that file is not a tokenizer.
    """
    if TOKENIZER not in repository.files:
        return None
    content = repository.read_json(TOKENIZER, TOKENIZER_LIMIT)
    model, added = content.get("model"), content.get("added_tokens") or []
    if not isinstance(model, dict) or not isinstance(added, list):
        raise ValueError(f"{TOKENIZER} has no model")
    tokens = [[entry.get("id"), entry.get("content")] for entry in added if isinstance(entry, dict)]
    known = {"vocab": model.get("vocab"), "merges": model.get("merges"), "added": tokens}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
