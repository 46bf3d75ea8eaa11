"""Starts the loopback Hub in a thread, and runs programs against it in processes of their own."""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from tests.programs import run_python

from .app import build_app
from .jobs import Machines
from .store import Hub, Repo, Token

ROOT = Path(__file__).parents[2]
TOKENS = {
    "hf_keeper": Token("keeper", "write", ("ORG",)),
    "hf_reader": Token("keeper", "read", ("ORG",)),
    "hf_job": Token("job", "write", ("ORG",)),
    "hf_stranger": Token("stranger", "write"),
}


class LoopbackHub(Hub):
    """A hub that is being served.

    Attributes:
        url: Where.
        cache: HF_HOME of the programs that are run against it.
        machines: Those that run its jobs.
    """

    def __init__(self, url: str, cache: Path) -> None:
        super().__init__(dict(TOKENS))
        self.url, self.cache = url, cache
        self.machines = Machines(self.environment(None), cache.parent / "jobs")  # HF_HOME is hidden inside

    def environment(self, token: str | None) -> dict[str, str]:
        """The environment of a program whose Hub this is."""
        offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "HF_TOKEN", "HF_TOKEN_PATH")
        environment = {name: value for name, value in os.environ.items() if name not in offline}
        return environment | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.cache),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": str(ROOT),
            **({"HF_TOKEN": token} if token else {}),
        }

    def run(
        self, *arguments: object, token: str | None = "hf_keeper", cwd: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """Runs Python with arguments, this hub as its Hub: huggingface_hub reads the environment once, at import."""
        return run_python(*arguments, env=self.environment(token), cwd=cwd)

    def dataset(self, repo_id: str = "ORG/clear") -> Repo:
        """A dataset that was pushed."""
        return self.repo("dataset", repo_id)


class Server(uvicorn.Server):
    """Ends when it is told to: uvicorn's own looks ten times a second, and sleeps as long before it is gone."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop, self.told = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in [*self.servers, *(sockets or [])]:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.001)
        await self.lifespan.shutdown()


@contextmanager
def serve(cache: Path) -> Iterator[LoopbackHub]:
    """Serves a hub on a free port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it on sockets of its own alone
        listener.bind(("127.0.0.1", 0))
        hub = LoopbackHub(f"http://127.0.0.1:{listener.getsockname()[1]}", cache)
        server = Server(uvicorn.Config(build_app(hub, hub.machines), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.001)
        yield hub
        hub.machines.stop()
        server.loop.call_soon_threadsafe(server.told.set)
        thread.join()
