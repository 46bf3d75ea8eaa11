"""Unlearning methods as TRL trainers: one file a method, one row in METHODS.

    from trainers import METHODS, NPOConfig, NPOTrainer

A method is imported when it is first used: the names of METHODS are known without torch.
"""

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any


class MethodTable(Mapping[str, tuple[Any, Any]]):
    """The methods of a package: `table[name]` is the pair (Trainer, Config).

    Args:
        package: The package with the methods' modules.
        stems: Method -> what the names of its classes begin with, before `Trainer` and `Config`. The module has the
            method's name, unless the stem names another: `finetune.Gold`.
    """

    def __init__(self, package: str, stems: dict[str, str]) -> None:
        self._package, self._stems = package, stems

    def __getitem__(self, method: str) -> tuple[Any, Any]:
        """Import a method.

        Raises:
            KeyError: If there is no such method.
        """
        return self._class(method, "Trainer"), self._class(method, "Config")

    def _class(self, method: str, kind: str) -> Any:
        module, _, stem = self._stems[method].rpartition(".")
        return getattr(import_module(f"{self._package}.{module or method}"), f"{stem}{kind}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._stems)

    def __len__(self) -> int:
        return len(self._stems)

    def check(self, method: str) -> None:
        """Check a method's name without importing the method.

        Raises:
            ValueError: If there is no such method; the message names the nearest one.
        """
        if method not in self._stems:
            near = difflib.get_close_matches(method, self._stems, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown method {method!r}; {hint}choose from {', '.join(self._stems)}")

    def class_named(self, name: str) -> Any:
        """Return the Trainer or the Config with a class name.

        Raises:
            AttributeError: If no method has it.
        """
        for method, stem in self._stems.items():
            for kind in ("Trainer", "Config"):
                if name == f"{stem.rpartition('.')[2]}{kind}":
                    return self._class(method, kind)
        raise AttributeError(f"module {self._package!r} has no attribute {name!r}")


METHODS = MethodTable(
    "trainers",
    {
        "retain_finetune": "RetainFinetune",
        "gradient_ascent": "GradientAscent",
        "gradient_difference": "GradientDifference",
        "kl": "KL",
        "idk": "IDK",
        "dpo": "DPO",
        "npo": "NPO",
        "scrub": "SCRUB",
        "llmu": "LLMU",
        "rmu": "RMU",
        "sku": "SKU",
    },
)


def __getattr__(name: str) -> Any:
    """Import a class of a method, or the classes that all methods extend, on first use."""
    if name in ("UnlearningConfig", "UnlearningTrainer"):
        return getattr(import_module("trainers.base"), name)
    return METHODS.class_named(name)
