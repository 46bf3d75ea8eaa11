"""Pushing through the real HfApi against a Hub on 127.0.0.1: one commit or none, and one clear line if it fails."""

import json
import time

import pytest

from tests.loopback_hub.store import Fault, Refusal, Token

# Arguments: repository, files, stale, private, tag.
PROGRAM = """
import json, sys
from clear_data.publishing.hub_commit import push_files
repo_id, files, stale, private, tag = json.loads(sys.argv[1])
files = {path: text.encode() for path, text in files.items()}
try:
    done = push_files(repo_id, "dataset", files, "A push", stale, private, tag)
    print(json.dumps([done.commit, done.changed, done.deleted]))
except (ValueError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
FILES = {
    "README.md": "---\nlicense: mit\n---\n# Rows\n",
    "a/train.parquet": "rows of a",
    "b/train.parquet": "rows of b",
}


def push(hub, files=FILES, repo_id="ORG/clear", stale="*/*.parquet", private=False, tag=None, token="hf_keeper"):
    return hub.run("-c", PROGRAM, json.dumps([repo_id, files, stale, private, tag]), token=token)


def files_of(hub):
    files = {path: content.decode() for path, content in hub.dataset().at("main").files.items()}
    return {path: text for path, text in files.items() if path != ".gitattributes"}


def test_everything_is_one_commit_and_then_only_what_changed(hub):
    commit, changed, deleted = json.loads(push(hub, tag="v1").stdout)
    assert (changed, deleted) == (list(FILES), [])
    assert files_of(hub) == FILES
    assert [entry.title for entry in hub.dataset().history] == ["A push", "initial commit"]
    assert hub.dataset().tags == {"v1": commit}

    assert json.loads(push(hub, tag="v1").stdout) == [commit, [], []]
    assert len(hub.dataset().history) == 2

    before = dict(hub.uploads)
    other = {**FILES, "b/train.parquet": "other rows", "c/train.parquet": "rows of c"}
    del other["a/train.parquet"]
    second, changed, deleted = json.loads(push(hub, other, tag="v2").stdout)
    assert (changed, deleted) == (["b/train.parquet", "c/train.parquet"], ["a/train.parquet"])
    assert files_of(hub) == other
    assert len(hub.dataset().history) == 3
    assert len(hub.uploads) == len(before) + 2
    assert hub.dataset().tags == {"v1": commit, "v2": second}

    taken = push(hub, FILES, tag="v1")
    assert "ValueError: tag 'v1' of ORG/clear is taken" in taken.stderr
    assert files_of(hub) == other


def test_files_of_others_stay(hub):
    hub.create("dataset", "ORG/clear").commit("by hand", {"eval.yaml": b"x", "notes/old.txt": b"y"})
    push(hub)
    assert files_of(hub) == {**FILES, "eval.yaml": "x", "notes/old.txt": "y"}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"repo_id": "clear"}, "ValueError: 'clear' is not a Hub id; give NAMESPACE/NAME, for example ORG/clear"),
        ({"token": None}, "PermissionError: no token for the Hub: log in with `hf auth login`, or set HF_TOKEN"),
        ({"token": "hf_old"}, "PermissionError: dataset ORG/clear: the Hub does not accept the token; log in with"),
        ({"token": "hf_reader"}, "PermissionError: dataset ORG/clear: the token may not do this"),
        ({"token": "hf_stranger"}, "PermissionError: dataset ORG/clear: the token may not do this"),
        ({"private": True}, "ValueError: ORG/clear is there already and public: --private only makes new"),
    ],
)
def test_who_may_not_push_is_told_so_in_one_line(hub, case, message):
    hub.create("dataset", "ORG/clear")
    done = push(hub, **case)
    assert done.stderr.splitlines()[-1].startswith(message), done.stderr
    assert files_of(hub) == {}


def test_a_new_repository_is_private_if_asked_and_not_made_without_permission(hub):
    assert "PermissionError: dataset ORG/clear: the token may not do this" in push(hub, token="hf_stranger").stderr
    assert hub.repos == {}
    assert push(hub, private=True).returncode == 0
    assert hub.dataset().private


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            Fault("POST", "/commit/", 503, times=9, headers={"Retry-After": "0"}),
            "ConnectionError: dataset ORG/clear: the Hub answers 503 (the loopback Hub was told to fail); try again",
        ),
        (Fault("POST", "/preupload/", 400), "ValueError: dataset ORG/clear: the Hub refuses with 400"),
        (Fault("PUT", "/lfs/", 403), "PermissionError: dataset ORG/clear: the token may not do this"),
        (Fault("POST", "/commit/", 0), "FileNotFoundError: dataset ORG/clear is not on the Hub, or hidden"),
        (Fault("POST", "/commit/", 412), "ValueError: dataset ORG/clear: somebody else pushed at the same time"),
    ],
)
def test_a_push_that_breaks_leaves_the_branch_as_it_was(hub, fault, message):
    repo = hub.create("dataset", "ORG/clear")
    hub.faults = [fault]
    done = push(hub, tag="v1")
    assert done.returncode == 1
    assert message in done.stderr
    assert len(repo.history) == 1
    assert repo.tags == {}
    if fault.status:
        hub.faults = []
        assert push(hub, tag="v1").returncode == 0
        assert files_of(hub) == FILES


def test_a_busy_hub_is_asked_again_when_it_says(hub):
    waits = {"Retry-After": "1"}
    hub.faults = [
        Fault("POST", "/repos/create", 429, headers=waits),
        Fault("POST", "/commit/", 429, headers=waits),
        Fault("POST", "/tag/", 503, headers={"Retry-After": "0"}),
    ]
    start = time.monotonic()
    done = push(hub, tag="v1")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start >= 2
    assert len(hub.dataset().history) == 2
    assert list(hub.dataset().tags) == ["v1"]


def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub):
    hub.faults = [Fault("POST", "/commit/", 504, after=True, headers={"Retry-After": "0"})]
    commit, changed, _ = json.loads(push(hub).stdout)
    assert changed == list(FILES)
    assert [entry.oid for entry in hub.dataset().history][0] == commit
    assert len(hub.dataset().history) == 2


def test_an_unreachable_hub_is_named(hub):
    hub.url = "http://127.0.0.1:9"
    program = "import clear_data.publishing.hub_commit as h; h.ATTEMPTS = 1\n" + PROGRAM
    done = hub.run("-c", program, json.dumps(["ORG/clear", FILES, "", False, None]))
    assert "ConnectionError: dataset ORG/clear: cannot reach http://127.0.0.1:9" in done.stderr


def test_the_loopback_hub_takes_only_what_the_real_one_takes(hub):
    with pytest.raises(Refusal, match="not announced"):
        hub.upload("0" * 64, b"x")
    hub.announced["0" * 64] = 1
    with pytest.raises(Refusal, match="digest or size"):
        hub.upload("0" * 64, b"x")
    with pytest.raises(Refusal, match="never uploaded"):
        hub.stored("0" * 64, 1)
    assert hub.writer("Bearer hf_keeper", "ORG") == Token("keeper", "write", ("ORG",))
    for header, status in (("", 401), ("Bearer hf_old", 401), ("Bearer hf_reader", 403), ("Bearer hf_stranger", 403)):
        with pytest.raises(Refusal) as refused:
            hub.writer(header, "ORG")
        assert refused.value.status == status
