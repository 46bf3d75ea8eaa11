"""Checks of a submission before it is queued: in seconds, from file lists and headers, without any weights.

What passes them is put into the queue by `take`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi

from leaderboard_app.bases import Bases
from leaderboard_app.store.store import Store

from .hub_repository import Original, Repository, hub_answers, open_repository, read_original
from .repository_checks import adapter_problems, card_problems, file_problems, full_problems, setting_problems
from .submission import Submission, clean_fields

SPARE_BYTES = 2**30  # beside twice the original's weights

# From what is said and the token of who says it: the submission, or all that is wrong with it.
Check = Callable[[Mapping[str, Any], str], tuple[Submission | None, Sequence[str]]]


@dataclass(frozen=True)
class Submitter:
    """Who is signed in, as the Hub says it: never as a form says it.

    Attributes:
        user: Name.
        namespaces: Where he may publish: his own and his organisations'.
    """

    user: str
    namespaces: frozenset[str]


@dataclass(frozen=True)
class Checked:
    """What the checks found.

    Attributes:
        submission: Ready for the queue; None if there are problems.
        problems: One line each, for the submitter.
    """

    submission: Submission | None
    problems: tuple[str, ...]


def identify(api: HfApi) -> Submitter:
    """Ask the Hub whose the token is.

    Raises:
        ValueError: If the token is not valid.
        ConnectionError: If the Hub fails.
    """
    try:
        with hub_answers("your token"):
            about = api.whoami()
    except ValueError as error:
        raise ValueError(f"{error}: sign in again, or log in with `hf auth login`") from None
    organisations = {str(entry.get("name")) for entry in about.get("orgs", [])}
    return Submitter(str(about["name"]), frozenset({str(about["name"]), *organisations}))


class SubmissionChecks:
    """The checks of one leaderboard; what the originals are is read once.

    Args:
        bases: Rows of `bases.json`.
        api: Reads the Hub; what is not public is refused whatever its token may see.
    """

    def __init__(self, bases: Bases, api: HfApi | None = None) -> None:
        self.bases, self.api = bases, api or HfApi()
        self._originals: dict[str, Original] = {}

    def original(self, base_model: str) -> Original:
        """Return the original of a base model."""
        if base_model not in self._originals:
            self._originals[base_model] = read_original(self.api, self.bases[base_model])
        return self._originals[base_model]

    def check(self, said: Mapping[str, Any], submitter: Submitter) -> Checked:
        """Check what a submitter says and the repository that he names.

        Args:
            said: See `clean_fields`.
            submitter: Who says it.

        Returns:
            The submission, or everything that is wrong with it.

        Raises:
            ConnectionError: If the Hub fails: then nothing is known, and it may be tried again.
        """
        fields, problems = clean_fields(said)
        problems += self._base_problems(fields)
        namespace = str(fields.get("repo_id", "/")).split("/")[0]
        if namespace and namespace not in submitter.namespaces:
            problems.append(f"repo_id: {submitter.user} is not a member of {namespace}")
        if problems:  # nothing is asked of the Hub for what cannot be
            return Checked(None, tuple(problems))
        try:
            repository = open_repository(self.api, fields["repo_id"], fields.pop("revision"))
        except ValueError as error:
            return Checked(None, (f"repo_id: {error}",))
        if repository.repo_id.split("/")[0] not in submitter.namespaces:  # it was moved to somebody else
            return Checked(None, (f"repo_id: {submitter.user} is not a member of {repository.repo_id.split('/')[0]}",))
        if problems := self.problems(repository, fields):
            return Checked(None, tuple(problems))
        digest = weights_digest(repository)
        fields |= {"repo_id": repository.repo_id, "commit": repository.commit, "weights_hash": digest}
        return Checked(Submission(user=submitter.user, statement=True, **fields), ())

    def problems(self, repository: Repository, fields: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a repository; a worker asks it again, of what waited in the queue."""
        return list(_repository_problems(repository, self.original(fields["base_model"]), fields))

    def _base_problems(self, fields: Mapping[str, Any]) -> list[str]:
        base = self.bases.get(fields.get("base_model", ""))
        if base is None:
            if "base_model" not in fields:
                return []  # named already
            return [f"base_model: unknown; choose from {', '.join(self.bases)}"]
        if fields.get("forget", base.forget[0]) not in base.forget:
            return [f"forget: {base.base_model} is compared on {', '.join(base.forget)}"]
        return []


def _repository_problems(repository: Repository, original: Original, fields: Mapping[str, Any]) -> Iterator[str]:
    yield from file_problems(repository, 2 * original.size + SPARE_BYTES)
    yield from card_problems(repository, fields["licence"])
    yield from setting_problems(repository, original)
    kind_problems = full_problems if fields["kind"] == "full" else adapter_problems
    try:
        yield from kind_problems(repository, original)
    except ValueError as error:  # a file that could not be read as what it claims to be
        yield str(error)
    hashes = {file.sha256 for path, file in repository.files.items() if path.endswith(".safetensors")}
    if hashes and hashes <= original.weights:
        yield f"the weights are those of {original.base.original}: nothing was unlearned"


def weights_digest(repository: Repository) -> str:
    """Return one digest of all weight files, whatever their names."""
    hashes = sorted(str(file.sha256) for path, file in repository.files.items() if path.endswith(".safetensors"))
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def check_of(bases: Bases) -> Check:
    """Return the check of a leaderboard with these base models; private repositories are refused."""
    checks = SubmissionChecks(bases, HfApi(token=False))

    def check(said: Mapping[str, Any], token: str) -> tuple[Submission | None, Sequence[str]]:
        checked = checks.check(said, identify(HfApi(token=token)))
        return checked.submission, checked.problems

    return check


def take(store: Store, check: Check | None, said: Mapping[str, Any], token: str | None) -> int:
    """Check what is said, and queue it.

    Args:
        store: The store.
        check: Says who it is and what is wrong; without it nothing can be submitted here.
        said: Fields of a submission, `statement`, `acts_at_inference` and `self_reported`.
        token: Of who says it.

    Returns:
        Number of the submission.

    Raises:
        ValueError: If something is wrong; one line each.
        PermissionError: If nobody is signed in.
        ConnectionError: If the Hub fails.
    """
    if check is None:
        raise ValueError("this leaderboard takes no submissions: its keeper has not said for which base models")
    if not token:
        raise PermissionError("sign in with Hugging Face first")
    submission, problems = check(said, token)
    if submission is None or problems:
        raise ValueError("\n".join(problems))
    return store.submit(submission)
