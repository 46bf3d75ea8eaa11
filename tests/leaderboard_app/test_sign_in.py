"""Signing in, submitting and watching, in a browser, against the loopback Hub and the real checks."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaderboard_app.store.store import Store
from tests.leaderboard_app.browser import CHROMIUM, browser, fill, kept
from tests.leaderboard_app.entries import numbers
from tests.leaderboard_app.submitted import BASE, Attempt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
]


@pytest.fixture
def url(attempt: Attempt, tmp_path: Path) -> Iterator[str]:
    with kept(attempt, tmp_path) as served:
        yield served


def send(page: Any) -> Any:
    page.locator("#submit-button").click()
    return page.locator("#submit-answer .problems, #submit-answer .queued").first


def test_a_submission_is_signed_in_checked_queued_and_watched_until_it_is_scored(attempt, url, tmp_path):
    attempt.publish()
    said = {**attempt.said, "repo_id": attempt.repo_id}
    store = Store(tmp_path / "leaderboard.sqlite")
    with browser(tmp_path / "profile") as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_role("tab", name="Submit").click()
        fill(page, said)
        page.locator("#field-statement input").check()
        assert "sign in with Hugging Face first" in send(page).inner_text()

        with page.expect_navigation():
            page.locator("#sign-in").click()
        page.get_by_role("tab", name="Submit").click()
        page.get_by_text("Logout (keeper)").wait_for()
        fill(page, {**said, "licence": "mit", "repo_id": "stranger/model"})
        problems = send(page).inner_text()
        assert "statement: must be agreed to" in problems
        assert "Repository: keeper is not a member of stranger" in problems
        fill(page, said)
        page.locator("#field-statement input").check()
        page.locator("#submit-button").click()
        queued = page.locator("#submit-answer .queued")
        queued.wait_for()
        assert "Submission 1 is queued at place 1" in queued.inner_text()
        assert store.submission(1).user == "keeper"
        assert store.submission(1).base_model == BASE

        queued.locator("a").click()
        page.locator("#status-page", has_text=re.compile("queued: it waits")).wait_for()
        store.claim("worker", 60)
        page.locator("#status-page", has_text=re.compile("running: it is being scored")).wait_for()
        store.finish(1, "worker", numbers(0.2, 0.7), {}, {}, {"worker": "here"})
        page.locator("#status-page", has_text=re.compile("scored: it is scored")).wait_for()
        page.get_by_text("Its numbers").click()
        page.locator("#details-page h2", has_text="npo").wait_for()

        page.goto(f"{url}?status=1")
        page.locator("#status-page article").wait_for()
        page.locator("#status-number textarea, #status-number input").fill("the first")
        page.get_by_role("button", name="Withdraw").click()
        page.locator("#status-mine", has_text="Give the number of a submission above; seen 'the first'.").wait_for()
        page.locator("#status-number textarea, #status-number input").fill("1")
        page.get_by_role("button", name="Withdraw").click()
        page.locator("#status-page", has_text="withdrawn by its submitter").wait_for()


def test_the_command_submits_through_the_page_in_the_name_of_its_token(attempt, url, tmp_path):
    attempt.publish()
    said = {**attempt.said, "repo_id": attempt.repo_id}
    del said["statement"]
    flags = [part for name, value in said.items() for part in (f"--{name}", str(value))]
    command = ["-m", "clear_pipeline.cli", "submit", "--leaderboard", url, "--statement", *flags]
    refused = attempt.hub.run(*command, token="hf_stranger")
    assert (refused.returncode, "stranger is not a member of keeper" in refused.stderr) == (2, True), refused.stderr
    unknown = attempt.hub.run(*command, token="hf_nobody")
    assert "your token: the Hub refuses with 401: sign in again" in unknown.stderr
    taken = attempt.hub.run(*command)
    assert "submission 1: keeper/npo waits in the queue" in taken.stdout, taken.stderr
    again = attempt.hub.run(*command)
    assert "this commit is submission 1 already, and queued" in again.stderr
