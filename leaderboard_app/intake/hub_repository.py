"""A model repository of the Hub as the checks see it: its files at one commit, read in small pieces, never loaded."""

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

from .safetensors_header import LENGTH_BYTES, Tensor, header_length, parse_header

MOST_FILES = 500
FIRST_READ = 100_000  # bytes: most headers are shorter
SECONDS = 20.0


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
        """Bytes `first` to `last` of a file, both included.

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
