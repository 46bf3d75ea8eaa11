"""What other web sites, strangers with large files, and the page itself get when they send something to the page."""

import json
from collections.abc import Iterator

import httpx
import pytest

from leaderboard_app.api.request_gate import MOST_BYTES, SECRET_HEADER, SPACE_HOST, is_foreign
from leaderboard_app.app import build_app
from leaderboard_app.store.store import Store
from tests.leaderboard_app.browser import served
from tests.leaderboard_app.entries import add_scored

SECRET = "a secret that nobody guesses"
CALL = "gradio_api/call/status"
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[httpx.Client]:
    store = Store(tmp_path_factory.mktemp("store") / "leaderboard.sqlite")
    add_scored(store, 1, 0.2, 0.7)
    with served(build_app(store, secret=SECRET), SECRET) as url, httpx.Client(base_url=url) as client:
        yield client


def post(page: httpx.Client, path: str = CALL, content: bytes = b'{"data": [1]}', **headers: str) -> int:
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return page.post(path, content=content, headers=sent).status_code


FOREIGN = {
    "a form of another site": {"Origin": EVIL, "Content_Type": "application/x-www-form-urlencoded"},
    "a script of another site": {"Origin": EVIL, "Sec_Fetch_Site": "cross-site"},
    "a script that hides its origin": {"Origin": "null"},
    "a browser that says no origin": {"Sec_Fetch_Site": "cross-site"},
    "another page of the same domain": {"Sec_Fetch_Site": "same-site"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1"},
    "a name that begins as ours": {"Origin": "http://127.0.0.1.evil.example"},
    "our name as its user": {"Origin": "http://127.0.0.1@evil.example"},
    "with a token in its name": {"Origin": EVIL, "X_HF_Authorization": "Bearer hf_keeper"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_no_other_web_site_acts_for_a_visitor(page, name):
    for path in (CALL, "gradio_api/queue/join", "gradio_api/run/status", "gradio_api/reset"):
        assert post(page, path, **FOREIGN[name]) == 403


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_verbs_are_held_to_the_same(page, method):
    assert page.request(method, CALL, headers={"Origin": EVIL}).status_code == 403
    assert page.request(method, "gradio_api/anything").status_code == 404


def test_the_page_itself_and_programs_are_answered(page):
    own = str(page.base_url).rstrip("/")
    assert post(page, Origin=own, Sec_Fetch_Site="same-origin") == 200
    assert post(page) == 200
    assert page.get("", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200  # a link was followed
    assert page.get("config", headers={"Origin": EVIL}).status_code == 403  # it would read who is signed in


def test_a_space_knows_its_own_name(monkeypatch):
    headers = {"origin": "https://org-board.hf.space", "host": "10.0.0.7:7860"}
    assert is_foreign(headers, False)
    monkeypatch.setenv(SPACE_HOST, "org-board.hf.space")
    assert not is_foreign(headers, False)
    assert is_foreign({**headers, "origin": "https://org-board.hf.space.evil.example"}, False)


@pytest.mark.parametrize(
    "path",
    ["gradio_api/upload", "upload", "gradio_api/upload/", "gradio_api/process_recording",
     "gradio_api/component_server", "gradio_api/stream/1", "login", "gradio_api/call/../upload", "gradio_api//upload"],
)  # fmt: skip
def test_nothing_can_be_uploaded(page, path):
    assert page.post(path, files={"files": ("large", b"x" * 2000)}).status_code == 404


def test_large_bodies_are_the_workers_alone(page):
    large = json.dumps({"data": ["x" * MOST_BYTES]}).encode()
    assert post(page, content=large) == 413
    halves = (large[: MOST_BYTES // 2], large[MOST_BYTES // 2 :], b"more")  # without a length that is said before
    assert page.post(CALL, content=iter(halves)).status_code == 413
    named = {SECRET_HEADER.replace("-", "_"): "a guess"}
    assert post(page, content=large, **named) == 413
    assert post(page, content=large, **{SECRET_HEADER.replace("-", "_"): SECRET}) == 200
