"""What an audit says beyond scores: counts with exact intervals, symmetric R, selectivity, areas under curves."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .measured import Measured

SUMMARISED = ("sampling", "relearn", "probe", "fingerprint")  # audits with a function `summary`


def summaries(results: Mapping[str, Mapping[str, Measured]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the summaries by audit and role of the model."""
    return {
        name: import_module(f"{__package__}.{name}").summary(found)
        for name, found in results.items()
        if name in SUMMARISED
    }
