"""One submission from the form to its verified row: page, browser, loopback Hub and a real worker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard_app.pages.table import number
from leaderboard_app.store.store import Store
from leaderboard_worker.cage import isolation_problem
from tests.clear_pipeline.test_hub_models import finished
from tests.leaderboard_app.browser import CHROMIUM, browser, fill, kept
from tests.leaderboard_app.submitted import Attempt, build_data, publish_scored
from tests.loopback_hub.server import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
]


def start_worker(attempt: Attempt, folder: Path) -> subprocess.Popen[str]:
    """`clear-unlearning worker --once` on the page's store; it has no token."""
    command = [sys.executable, "-m", "clear_pipeline.cli", "worker", "--once", "--pause", "0.2"]
    for flag, name in (("--store", "leaderboard.sqlite"), ("--bases", "bases.json"), ("--work", "work")):
        command += [flag, str(folder / name)]
    command += ["--no_isolation"] if isolation_problem() else []
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=attempt.hub.environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pushed(attempt: Attempt, folder: Path) -> None:
    """Publishes the model as its maker does: `clear-unlearning push` of a finished run."""
    folder.mkdir()
    for name, content in attempt.files.items():
        (folder / name).write_bytes(content)
    settings = {"recipe": "unlearn", "method": "npo", "model": "ORG/original", "forget": "forget10", "settings": {}}
    finished(folder, **settings)
    flags = (folder, "--repo_id", attempt.repo_id, "--licence", "apache-2.0")
    done = attempt.hub.run("-m", "clear_pipeline.cli", "push", *flags, token=attempt.token)
    assert done.returncode == 0, done.stderr
    attempt.said["revision"] = attempt.hub.repo("model", attempt.repo_id).history[0].oid


def test_a_submission_goes_from_the_form_to_its_verified_row(hub, online, mini_llava, mini_data, tmp_path):
    data = build_data(tmp_path / "data", mini_data)
    attempt = Attempt(hub, publish_scored(hub, mini_llava, data, tmp_path), mini_llava)
    pushed(attempt, tmp_path / "npo")
    with kept(attempt, tmp_path) as url, browser(tmp_path / "profile") as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_role("tab", name="Submit").click()
        with page.expect_navigation():
            page.locator("#sign-in").click()
        page.get_by_role("tab", name="Submit").click()
        page.get_by_text("Logout (keeper)").wait_for()
        fill(page, {**attempt.said, "repo_id": attempt.repo_id})
        page.locator("#field-statement input").check()
        page.locator("#submit-button").click()
        page.locator("#submit-answer .queued a").click()
        status = page.locator("#status-page")
        status.filter(has_text=re.compile("queued: it waits")).wait_for()

        worker = start_worker(attempt, tmp_path)
        try:
            status.filter(has_text=re.compile("running: it is being scored")).wait_for(timeout=60_000)
            said, _ = worker.communicate(timeout=300)
        finally:
            worker.kill()
        assert worker.returncode == 0 and "submission 1 (keeper/npo@" in said and ": scored, in" in said, said
        status.filter(has_text=re.compile("scored: it is scored")).wait_for()

        found = Store(tmp_path / "leaderboard.sqlite").details(1)
        assert found.numbers is not None and found.provenance is not None
        distance = number(found.numbers["forget_quality_statistic"])
        page.get_by_text("Its numbers").click()
        details = page.locator("#details-page")
        details.locator("h2", has_text="npo").wait_for()
        assert re.search(rf"^D\s+{re.escape(distance)}", details.inner_text(), re.M)
        assert "Hidden gap" in details.inner_text()
        asked = details.locator(".example")
        asked.filter(has=page.get_by_role("img")).first.wait_for()
        assert asked.get_by_role("img").count() >= 3
        for who in ("truth", "original", "gold", "submission"):
            assert asked.locator("dt", has_text=re.compile(f"^{who}$")).count() == asked.count() >= 5
        assert found.provenance["commit"] == attempt.said["revision"]
        page.screenshot(path=tmp_path / "details.png", full_page=True)

        page.goto(url)
        row = page.locator("#table tbody tr", has_text="npo")
        row.wait_for()
        assert distance in row.inner_text()
        assert page.locator("#table tbody th.method").all_inner_texts()[:2] == ["original", "gold"]
        page.screenshot(path=tmp_path / "table.png", full_page=True)
