"""The page for programs, through gradio_client, over HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from leaderboard_app.app import build_app
from leaderboard_app.intake.submission import Submission
from leaderboard_app.store.store import Store
from tests.leaderboard_app.browser import served
from tests.leaderboard_app.entries import add_references, add_scored, entry

SAID = {
    "repo_id": "mara/model", "revision": f"{77:040x}", "kind": "full", "base_model": "mini-image", "method": "npo",
    "forget": "forget10", "modality": "both", "licence": "mit", "statement": True, "gpu_hours": 1.5,
    "self_reported": {"model_utility": 0.5},
}  # fmt: skip


def check(said: dict[str, Any], token: str) -> tuple[Submission | None, list[str]]:
    """Knows one token."""
    if token != "hf_mara":
        return None, ["your token: it is not valid"]
    names = ("repo_id", "kind", "base_model", "method", "forget", "modality", "licence", "statement", "self_reported")
    return entry(7, user="mara", commit=said["revision"], **{name: said[name] for name in names}), []


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("store") / "leaderboard.sqlite")
    add_references(store)
    for number in (1, 2, 3):
        add_scored(store, number, number / 10, 0.7 + number / 100, method=f"method {number}")
    store.hide(3, "keeper", "trained on the questions")
    return store


@pytest.fixture(scope="module")
def url(store) -> Iterator[str]:
    with served(build_app(store, check)) as place:
        yield place


@pytest.fixture(scope="module")
def client(url) -> Client:
    return Client(url, verbose=False)


def test_the_endpoints_are_typed(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/leaderboard", "/row", "/status", "/submit"}
    types = {about["parameter_name"]: about["python_type"]["type"] for about in endpoints["/submit"]["parameters"]}
    assert types["gpu_hours"] == "float"
    assert "Literal['full', 'adapter']" in types["kind"]


def test_the_table_is_that_of_the_page(client):
    found = client.predict(search="method", sort="D", api_name="/leaderboard")
    assert [(row["id"], row["rank"], row["d"], row["verified"]) for row in found["rows"]] == [
        (1, None, 0.1, True), (2, 1, 0.2, True)
    ]  # fmt: skip
    assert [row["role"] for row in found["references"]] == ["original", "gold"]
    assert (found["total"], found["page"], found["pages"]) == (2, 1, 1)
    with pytest.raises(AppError, match="unknown sorting 'price'; choose from rank"):
        client.predict(sort="price", api_name="/leaderboard")


def test_a_row_and_its_way_can_be_asked_for(client):
    row = client.predict(2, api_name="/row")
    assert (row["method"], row["numbers"]["model_utility"], row["provenance"]) == (
        "method 2",
        0.72,
        {"worker": "worker"},
    )
    assert "log" not in row
    status = client.predict(2, api_name="/status")
    assert status["state"] == "scored"
    assert [change["after"] for change in status["history"]] == ["queued", "running", "scored"]
    with pytest.raises(AppError, match="submission 3 is hidden: trained on the questions"):
        client.predict(3, api_name="/row")
    with pytest.raises(AppError, match="there is no submission 99"):
        client.predict(99, api_name="/status")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("row", [["x"]]), ("row", [{"a": 1}]), ("row", [10**30]), ("status", [[]]),
     ("leaderboard", [{"a": 1}, "", "", True, "", "rank", 1]),
     ("leaderboard", ["", [], {}, "yes", 7, None, "x"])],
)  # fmt: skip
def test_arguments_of_a_wrong_type_are_answered_and_leave_no_traceback(url, capfd, name, arguments):
    call = httpx.post(f"{url}gradio_api/call/{name}", json={"data": arguments})
    answer = httpx.get(f"{url}gradio_api/call/{name}/{call.json()['event_id']}")
    assert "event: error" in answer.text and "an argument is of a wrong type" in answer.text, answer.text
    assert "Traceback" not in capfd.readouterr().err


def test_a_program_submits_in_the_name_of_its_token(store, url, client):
    with pytest.raises(AppError, match="sign in with Hugging Face first"):
        client.predict(**SAID, api_name="/submit")
    with pytest.raises(AppError, match="your token: it is not valid"):
        Client(url, token="hf_other", verbose=False).predict(**SAID, api_name="/submit")
    number = Client(url, token="hf_mara", verbose=False).predict(**SAID, api_name="/submit")
    assert store.submission(number).user == "mara"
    assert store.submission(number).self_reported == {"model_utility": 0.5}
    assert client.predict(number, api_name="/status")["position"] == 1
