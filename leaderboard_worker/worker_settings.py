"""Settings of a worker, and what is wrong where they do not work."""

import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from .sandbox import Limits


class SetupError(ValueError):
    """The keeper's setup does not work: bases, models, data, image or rights. No submission is at fault."""


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of a worker.

    Attributes:
        work: Folder for downloads and jobs.
        lease: Seconds until a submission without a heartbeat goes to another worker.
        limits: Limits of the scoring process.
        isolated: Run the scoring process in the sandbox; False only for machines that cannot.
        name: Name that no other process has.
    """

    work: Path
    lease: float = 120
    limits: Limits = field(default_factory=Limits)
    isolated: bool = True
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() % 10**6}")
