"""Files on the Hub in one commit: only what changed, nothing if nothing did, and all of it or none.

What `huggingface_hub` retries by itself (LFS transfers, listings) it retries; the calls it makes once (the commit
itself, creating, tagging) are retried here, after the time that the Hub asks for or with exponential backoff.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

T = TypeVar("T")
ATTEMPTS = 5
RETRIED = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        url: Page of the repository.
        commit: The branch's commit afterwards.
        changed: Files added or replaced; empty if there was nothing to do.
        deleted: Files removed.
    """

    url: str
    commit: str
    changed: list[str]
    deleted: list[str]


def push_files(
    repo_id: str,
    repo_type: str,
    files: Mapping[str, Path | bytes],
    message: str,
    stale: str = "",
    private: bool = False,
    tag: str | None = None,
) -> Pushed:
    """Bring files to a repository's main branch; make the repository if it is missing.

    Args:
        repo_id: `namespace/name`.
        repo_type: `dataset`, `model` or `space` (one with gradio).
        files: By their path in the repository.
        message: Of the commit.
        stale: Pattern of files that are removed if they are not among `files`; none by default.
        private: Make a new repository private.
        tag: Name for the result.

    Returns:
        What was done.

    Raises:
        PermissionError: If there is no token, or it may not write there.
        ValueError: If the id is none, the tag is taken, the repository is public against `private`, or somebody else
            pushed at the same time.
        FileNotFoundError: If the repository vanished meanwhile.
        ConnectionError: If the Hub cannot be reached, or fails again and again. The branch is as it was.
    """
    if repo_id.count("/") != 1 or not all(repo_id.split("/")):
        raise ValueError(f"{repo_id!r} is not a Hub id; give NAMESPACE/NAME, for example ORG/clear")
    if get_token() is None:
        raise PermissionError("no token for the Hub: log in with `hf auth login`, or set HF_TOKEN")
    api = HfApi()
    with hub_errors(f"{repo_type} {repo_id}"):
        head = _patiently(lambda: _head(api, repo_id, repo_type, private))
        if head is None:
            sdk = "gradio" if repo_type == "space" else None
            _patiently(
                lambda: api.create_repo(repo_id, repo_type=repo_type, private=private, space_sdk=sdk, exist_ok=True)
            )
            head = _patiently(lambda: api.repo_info(repo_id, repo_type=repo_type).sha) or ""
        changed, deleted = _differences(api, repo_id, repo_type, files, stale)
        tagged = tag and _patiently(lambda: _tagged(api, repo_id, repo_type, tag))
        if tagged and (tagged != head or changed or deleted):
            raise ValueError(f"tag {tag!r} of {repo_id} is taken (by {tagged[:8]}, other files); choose another --tag")

        def attempt() -> str:
            operations = [CommitOperationAdd(path, _content(files[path])) for path in changed]
            operations += [CommitOperationDelete(path) for path in deleted]
            try:
                return api.create_commit(
                    repo_id, operations, commit_message=message, repo_type=repo_type, parent_commit=head
                ).oid
            except HfHubHTTPError as error:
                # An attempt whose answer was lost may have succeeded: then the next one comes too late.
                if error.response.status_code not in (409, 412) or any(
                    _differences(api, repo_id, repo_type, files, stale)
                ):
                    raise
                return str(api.repo_info(repo_id, repo_type=repo_type).sha)
            except RuntimeError as error:
                if isinstance(error.__cause__, HTTPError):  # so it wraps what happened to the upload of a file
                    raise error.__cause__ from None
                raise

        commit = _patiently(attempt) if changed or deleted else head
        if tag and not tagged:
            _patiently(lambda: api.create_tag(repo_id, tag=tag, revision=commit, repo_type=repo_type, exist_ok=True))
    place = repo_id if repo_type == "model" else f"{repo_type}s/{repo_id}"
    return Pushed(f"{constants.ENDPOINT}/{place}", commit, changed, deleted)


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn the Hub's errors into one line that says what to do.

    Args:
        what: What is asked for, for example `dataset ORG/clear`.

    Raises:
        PermissionError: If the token is not valid or may not do it.
        FileNotFoundError: If it is not there.
        ValueError: If somebody else changed it meanwhile, or the Hub refuses the request.
        ConnectionError: If the Hub cannot be reached, or fails again and again.
    """
    try:
        yield
    except HfHubHTTPError as error:
        status, said = error.response.status_code, error.server_message or "no reason given"
        if status == 403:
            advice = "it needs write access and you a role there, see https://huggingface.co/settings/tokens"
            raise PermissionError(f"{what}: the token may not do this ({said}); {advice}") from error
        if status == 401 and "RepoNotFound" not in error.response.headers.get("X-Error-Code", ""):
            raise PermissionError(f"{what}: the Hub does not accept the token; log in with `hf auth login`") from error
        if isinstance(error, RepositoryNotFoundError):
            raise FileNotFoundError(f"{what} is not on the Hub, or hidden from this token; was it deleted?") from error
        if status in (409, 412):
            raise ValueError(f"{what}: somebody else pushed at the same time; look at it and push again") from error
        if status in RETRIED:
            raise ConnectionError(f"{what}: the Hub answers {status} ({said}); try again later") from error
        raise ValueError(f"{what}: the Hub refuses with {status} ({said})") from error
    except HTTPError as error:
        raise ConnectionError(f"{what}: cannot reach {constants.ENDPOINT} ({error}); are you offline?") from error


def _patiently(call: Callable[[], T]) -> T:
    """Call, and again after a pause if the Hub is busy or the connection breaks."""
    return Retrying(retry=retry_if_exception(_passes), wait=_pause, stop=stop_after_attempt(ATTEMPTS), reraise=True)(
        call
    )


def _passes(error: BaseException) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in RETRIED
    return isinstance(error, HTTPError)


def _pause(state: RetryCallState) -> float:
    """Return seconds: what `Retry-After` asks for, else 1, 2, 4, 8."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.response.headers.get("Retry-After", "") if isinstance(error, HfHubHTTPError) else ""
    return float(asked) if asked.isdigit() else wait_exponential(max=8)(state)


def _head(api: HfApi, repo_id: str, repo_type: str, private: bool) -> str | None:
    """Return the commit of main, None if there is no such repository."""
    try:
        info = api.repo_info(repo_id, repo_type=repo_type)
    except RepositoryNotFoundError as error:
        if error.response.headers.get("X-Error-Code") != "RepoNotFound":
            raise  # the Hub answers 401 where the token is not valid
        return None
    if private and info.private is False:
        raise ValueError(f"{repo_id} is there already and public: --private only makes new repositories private")
    return str(info.sha)


def _tagged(api: HfApi, repo_id: str, repo_type: str, tag: str) -> str | None:
    """Return the commit that a tag names, None if there is no such tag."""
    try:
        return api.repo_info(repo_id, repo_type=repo_type, revision=tag).sha
    except RevisionNotFoundError:
        return None


def _differences(
    api: HfApi, repo_id: str, repo_type: str, files: Mapping[str, Path | bytes], stale: str
) -> tuple[list[str], list[str]]:
    """Return the files that main lacks or has otherwise, and those that it should no longer have."""
    tree = list(api.list_repo_tree(repo_id, repo_type=repo_type, recursive=True))
    remote = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    changed = [path for path, content in files.items() if path not in remote or not _same(content, remote[path])]
    return changed, [path for path in remote if path not in files and fnmatch(path, stale)]


def _content(content: Path | bytes) -> str | bytes:
    return str(content) if isinstance(content, Path) else content


def _same(content: Path | bytes, remote: RepoFile) -> bool:
    """Return whether a file is the one on the Hub, by its digest: SHA-256 for LFS, git's SHA-1 otherwise."""
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if size != remote.size:
        return False
    digest = hashlib.sha256() if remote.lfs else hashlib.sha1(b"blob %d\0" % size)
    if isinstance(content, Path):
        with content.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    else:
        digest.update(content)
    return digest.hexdigest() == (remote.lfs.sha256 if remote.lfs else remote.blob_id)
