"""What the loopback Hub keeps, and its rules: who may write, which commit follows which, what an LFS file must be."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
LFS_NAMES = (".parquet", ".safetensors", ".png", ".jpg", ".zip")
LFS_BYTES = 10 * 2**20


class Refusal(Exception):
    """An answer with an error's status, and the code by which `huggingface_hub` knows the error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class Token:
    """Whose it is, what it may do (`read` or `write`) and in which namespaces."""

    user: str
    role: str = "write"
    namespaces: tuple[str, ...] = ()


@dataclass
class Fault:
    """Makes requests fail.

    Attributes:
        method: Of the request.
        path: Regular expression that is searched in its path.
        status: Of the answer; 0 lets the repository be deleted before the request is handled.
        times: How many requests fail.
        headers: Of the answer.
        after: Handle the request first, and lose its answer.
        delay: Seconds before anything happens.
        struck: How many requests have failed.
    """

    method: str
    path: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    delay: float = 0.0
    struck: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether it strikes this request; counts it if so."""
        if self.times and method == self.method and re.search(self.path, path):
            self.times -= 1
            self.struck += 1
            return True
        return False


@dataclass(frozen=True)
class Commit:
    """A snapshot of all files, and where it came from."""

    oid: str
    parent: str | None
    title: str
    files: dict[str, bytes]


@dataclass
class Repo:
    """A repository: commits, and the branches and tags that point at them."""

    kind: str
    id: str
    private: bool = False
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, title: str, files: dict[str, bytes], branch: str = "main") -> Commit:
        """Adds a commit on top of a branch."""
        oid = hashlib.sha1(f"{self.kind} {self.id} {len(self.commits)} {title}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, self.branches.get(branch), title, files)
        self.branches[branch] = oid
        return self.commits[oid]

    def at(self, revision: str) -> Commit:
        """The commit that a branch, a tag or an id names."""
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid not in self.commits:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    @property
    def history(self) -> list[Commit]:
        """Commits of main, the newest first."""
        found, oid = [], self.branches.get("main")
        while oid:
            found.append(self.commits[oid])
            oid = found[-1].parent
        return found


class Hub:
    """All repositories, uploaded LFS files and tokens, and what is to go wrong."""

    def __init__(self, tokens: dict[str, Token]) -> None:
        self.tokens = tokens
        self.repos: dict[tuple[str, str], Repo] = {}
        self.announced: dict[str, int] = {}
        self.uploads: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []

    def repo(self, kind: str, repo_id: str) -> Repo:
        """A repository that is there."""
        if (kind, repo_id) not in self.repos:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        return self.repos[kind, repo_id]

    def create(self, kind: str, repo_id: str, private: bool = False) -> Repo:
        """A new repository with its first commit."""
        if (kind, repo_id) in self.repos:
            raise Refusal(409, f"You already created this {kind} repo: {repo_id}")
        repo = self.repos[kind, repo_id] = Repo(kind, repo_id, private)
        repo.commit("initial commit", {".gitattributes": b"*.parquet filter=lfs\n"})
        return repo

    def reader(self, authorization: str) -> Token | None:
        """The token of a request, None if it has none."""
        if not authorization:
            return None
        token = self.tokens.get(authorization.removeprefix("Bearer "))
        if token is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return token

    def writer(self, authorization: str, namespace: str) -> Token:
        """The token of a request, if it may write in a namespace."""
        token = self.reader(authorization)
        if token is None:
            raise Refusal(401, "Invalid username or password.")
        if token.role != "write" or namespace not in (token.user, *token.namespaces):
            raise Refusal(403, f"You don't have the rights to write under the namespace {namespace!r}")
        return token

    def upload(self, oid: str, content: bytes) -> None:
        """Takes an LFS file whose digest and size are those that were announced."""
        if oid not in self.announced:
            raise Refusal(404, f"upload of {oid} was not announced")
        if len(content) != self.announced[oid] or hashlib.sha256(content).hexdigest() != oid:
            raise Refusal(422, f"{oid}: digest or size is not the one announced")
        self.uploads[oid] = content

    def stored(self, oid: str, size: int) -> bytes:
        """An LFS file that was uploaded."""
        if oid not in self.uploads or len(self.uploads[oid]) != size:
            raise Refusal(422, f"LFS pointer to {oid} of {size} bytes, which was never uploaded")
        return self.uploads[oid]


def is_lfs(path: str, size: int) -> bool:
    """Whether a file is kept as an LFS pointer."""
    return path.endswith(LFS_NAMES) or size > LFS_BYTES


def blob_id(content: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def file_entry(path: str, content: bytes) -> dict[str, Any]:
    """A file as `tree` and `paths-info` show it."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
    if is_lfs(path, len(content)):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


def repo_info(repo: Repo, commit: Commit) -> dict[str, Any]:
    """A repository as `/api/datasets/ID` shows it."""
    header = re.match(rb"---\n(.*?)\n---\n", commit.files.get("README.md", b""), re.S)
    card = yaml.safe_load(header[1]) if header else {}
    return {
        "_id": "0" * 24,
        "id": repo.id,
        "author": repo.id.split("/")[0],
        "sha": commit.oid,
        "lastModified": "2026-01-01T00:00:00.000Z",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "private": repo.private,
        "gated": "manual" if repo.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": card.get("tags", []),
        "cardData": json.loads(json.dumps(card, default=str)),
        "siblings": [{"rfilename": path} for path in commit.files],
        **({"sdk": card.get("sdk")} if repo.kind == "space" else {}),
    }
