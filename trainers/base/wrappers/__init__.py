"""Optimizer wrappers: what a step makes of the forget and the retain gradient of any loss, one file a wrapper."""

import difflib
from importlib import import_module
from typing import Any

WRAPPERS = {"gru": "GRU", "ngdiff": "NGDiff", "dualoptim": "DualOptim", "sam": "SAM"}  # file -> class


def check_wrapper(name: str) -> None:
    """Check a wrapper's name.

    Raises:
        ValueError: If there is no such wrapper; the message names the nearest one.
    """
    if name not in WRAPPERS:
        near = difflib.get_close_matches(name.lower(), WRAPPERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown optimizer_wrapper {name!r}; {hint}choose from {', '.join(WRAPPERS)}")


def build_wrapper(args: Any) -> Any:
    """Return the wrapper that settings name, None if they name none."""
    name = args.optimizer_wrapper
    return None if name is None else getattr(import_module(f".{name}", __name__), WRAPPERS[name])(args)
