"""Jobs of the loopback Hub: programs that it runs on this machine, with the stages that the Hub shows."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .store import Hub, Refusal


@dataclass
class HubJob:
    """A job: what was asked for, its process, and where it stands."""

    id: str
    namespace: str
    wanted: dict[str, Any]
    stage: str = "SCHEDULING"
    message: str | None = None
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)  # a job is cancelled or started, not both at once

    def shown(self) -> dict[str, Any]:
        """As `/api/jobs/NAMESPACE/ID` shows it: secrets by their names."""
        wanted = {name: value for name, value in self.wanted.items() if name != "secrets"}
        owner = {"id": "0" * 24, "name": self.namespace, "type": "org"}
        return {
            **wanted,
            "id": self.id,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "owner": owner,
            "secrets": dict.fromkeys(self.wanted.get("secrets", {}), ""),
            "status": {"stage": self.stage, "message": self.message},
        }

    def run(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        """Runs it to its end in a folder of its own, at most as long as was asked for."""
        folder.mkdir(parents=True)
        with self.lock:
            if self.stage != "SCHEDULING":
                return
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            self.stage = "RUNNING"
        try:
            said, _ = self.process.communicate(timeout=self.wanted.get("timeoutSeconds", 1800))
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, _ = self.process.communicate()
            self.message = "Job timeout"
        self.lines = said.splitlines()
        if self.stage == "RUNNING":
            self.stage = "ERROR" if self.message or self.process.returncode else "COMPLETED"

    def cancel(self) -> None:
        """Ends it, or keeps it from starting."""
        with self.lock:
            if self.stage not in ("SCHEDULING", "RUNNING"):
                raise Refusal(409, f"the job is {self.stage}")
            self.stage = "CANCELED"
            if self.process:
                self.process.kill()


@dataclass
class Machines:
    """All jobs, and what their machines are like.

    Attributes:
        environment: Of every job, below its own; the Hub's address stands there.
        folder: Of the jobs' folders.
        image: What runs instead of every command; None runs the command.
        free: Whether a job starts at once, or waits.
    """

    environment: dict[str, str]
    folder: Path
    image: list[str] | None = None
    free: bool = True
    jobs: list[HubJob] = field(default_factory=list)

    def start(self, namespace: str, wanted: dict[str, Any]) -> HubJob:
        """A new job."""
        job = HubJob(f"{len(self.jobs) + 1:024x}", namespace, wanted)
        self.jobs.append(job)
        command = [sys.executable if part == "python" else part for part in wanted["command"]]
        own = {**self.environment, **wanted["environment"], **wanted.get("secrets", {})}
        if self.free:
            arguments = (self.image or command, own, self.folder / job.id)
            threading.Thread(target=job.run, args=arguments, daemon=True).start()
        return job

    def stop(self) -> None:
        """Ends what still runs."""
        for job in self.jobs:
            if job.process and job.process.poll() is None:
                job.process.kill()


def _job(request: Request) -> HubJob:
    hub: Hub = request.app.state.hub
    namespace, number = request.path_params["namespace"], request.path_params["id"]
    hub.writer(request.headers.get("authorization", ""), namespace)
    for job in request.app.state.machines.jobs:
        if (job.namespace, job.id) == (namespace, number):
            return job
    raise Refusal(404, "Job not found")


async def start(request: Request) -> Response:
    namespace = request.path_params["namespace"]
    request.app.state.hub.writer(request.headers.get("authorization", ""), namespace)
    job = request.app.state.machines.start(namespace, await request.json())
    return JSONResponse(job.shown())


async def inspect(request: Request) -> Response:
    return JSONResponse(_job(request).shown())


async def cancel(request: Request) -> Response:
    job = _job(request)
    job.cancel()
    return JSONResponse(job.shown())


async def logs(request: Request) -> Response:
    events = [{"data": line, "timestamp": "2026-01-01T00:00:00.000Z"} for line in _job(request).lines]
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return Response(text, media_type="text/event-stream")


ROUTES = [
    Route("/api/jobs/{namespace}", start, methods=["POST"]),
    Route("/api/jobs/{namespace}/{id}", inspect),
    Route("/api/jobs/{namespace}/{id}/cancel", cancel, methods=["POST"]),
    Route("/api/jobs/{namespace}/{id}/logs", logs),
]
