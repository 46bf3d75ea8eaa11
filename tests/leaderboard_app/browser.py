"""A headless Chromium, and the page served from this process, for the tests that look at it as a visitor does."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from leaderboard_app.app import serve
from tests.leaderboard_app.submitted import Attempt
from tests.loopback_hub.server import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def served(app: gr.Blocks, secret: str | None = None) -> Iterator[str]:
    """The page on a free port of 127.0.0.1."""
    _, url, _ = serve(app, secret, prevent_thread_lock=True, quiet=True)
    try:
        yield url
    finally:
        app.close(verbose=False)


@contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """A browser with an empty profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=CHROMIUM, args=FLAGS, viewport={"width": 1200, "height": 900}
        )
        context.set_default_timeout(20_000)
        try:
            yield context
        finally:
            context.close()


@contextmanager
def kept(attempt: Attempt, folder: Path) -> Iterator[str]:
    """`clear-unlearning leaderboard serve`, on a machine that is logged in to the loopback Hub as its keeper.

    Its `bases.json` and `leaderboard.sqlite` are in the folder.
    """
    bases = folder / "bases.json"
    bases.write_text(json.dumps({"bases": [asdict(attempt.base)]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "clear_pipeline.cli", "leaderboard", "serve", "--port", str(port)]
    command += ["--bases", str(bases), "--store", str(folder / "leaderboard.sqlite")]
    environment = attempt.hub.environment("hf_keeper")
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None and "the leaderboard is at" in page.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:  # else a test that fails would wait for its end for ever
            page.terminate()


def fill(page: Any, said: dict[str, Any]) -> None:
    """Fills in the form of a submission, without its statement."""
    for name in ("repo_id", "revision", "method", "paper", "licence", "data_used", "seeds", "contact"):
        page.locator(f"#field-{name} textarea, #field-{name} input").fill(said[name])
    page.locator("#field-gpu_hours input").fill(str(said["gpu_hours"]))
