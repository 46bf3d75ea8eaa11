"""On what and with what a run was made."""

import os
import platform
from importlib.metadata import version
from typing import Any

import torch

LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "numpy")


def versions() -> dict[str, str]:
    """The libraries that decide about numbers."""
    return {name: version(name) for name in LIBRARIES}


def hardware() -> dict[str, Any]:
    """The accelerators, or the processor."""
    if torch.cuda.is_available():
        return {"accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]}
    if torch.accelerator.is_available():
        return {"accelerators": [str(torch.accelerator.current_accelerator())]}
    return {"processor": platform.machine(), "processors": os.cpu_count(), "threads": torch.get_num_threads()}
