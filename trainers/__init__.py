"""Unlearning methods as TRL trainers: one file a method, one row in METHODS.

    from clear_unlearning import METHODS, NPOConfig, NPOTrainer

A method is imported when it is first used: the names of METHODS are known without torch. A method of one's own needs
no row: it is named by its file or module and its class, as `my_method.py:MyTrainer`.
"""

import difflib
import hashlib
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, get_type_hints


class MethodTable(Mapping[str, tuple[Any, Any]]):
    """The methods by name: `METHODS["npo"]` is the pair (NPOTrainer, NPOConfig).

    Args:
        package: The package with the methods' modules.
        stems: Method -> what the names of its classes begin with, before `Trainer` and `Config`. The module has the
            method's name, unless the stem names another: `finetune.Gold`.
        own: Whether methods of one's own are accepted too.
    """

    def __init__(self, package: str, stems: dict[str, str], own: bool = False) -> None:
        self._package, self._stems, self._own = package, stems, own

    def __getitem__(self, method: str) -> tuple[Any, Any]:
        """Import a method.

        Raises:
            KeyError: If there is no such method.
            ValueError: If one of one's own is not a method.
        """
        if self._own and is_own(method):
            return own_method(method)
        return self._class(method, "Trainer"), self._class(method, "Config")

    def _class(self, method: str, kind: str) -> Any:
        module, _, stem = self._stems[method].rpartition(".")
        return getattr(import_module(f"{self._package}.{module or method}"), f"{stem}{kind}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._stems)

    def __len__(self) -> int:
        return len(self._stems)

    def __contains__(self, method: object) -> bool:
        return method in self._stems or (self._own and is_own(str(method)))

    def check(self, method: str) -> None:
        """Check a method's name without importing the method.

        Raises:
            ValueError: If there is no such method; the message names the nearest one.
            FileNotFoundError: If there is no such file or module of one's own.
        """
        if self._own and is_own(method):
            own_place(method)
        elif method not in self._stems:
            own = "; or your own: FILE.py:CLASS" if self._own else ""
            hint = self.hint(method)
            raise ValueError(f"unknown method {method!r}; {hint}choose from {', '.join(self._stems)}{own}")

    def hint(self, method: str) -> str:
        """Return a question for the method that an unknown name stands for, elsewhere or by a slip; empty if none."""
        plain = method.lower().replace("-", "_")
        plain = OTHER_NAMES.get(plain, plain)
        near = difflib.get_close_matches(plain, self._stems, n=1) if method not in self._stems else []
        return f"did you mean {near[0]!r}? " if near else ""

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


def is_own(method: str) -> bool:
    """Return whether a name is that of a method of one's own: `FILE.py:CLASS` or `MODULE:CLASS`."""
    return ":" in method


def label_of(method: str) -> str:
    """Return a method's name in tables and folders: of one of one's own, that of its class."""
    return method.rpartition(":")[2].removesuffix("Trainer") or method


def own_place(method: str) -> Path:
    """Return the file of a method of one's own, without importing it.

    Raises:
        FileNotFoundError: If there is no such file or module.
    """
    place, _, _ = method.rpartition(":")
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise FileNotFoundError(f"method {method!r}: no file {place}")
        return Path(place)
    try:
        found = find_spec(place)
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None:
        raise FileNotFoundError(f"method {method!r}: no module {place!r}; a file is named as FILE.py:CLASS")
    return Path(found.origin)


def own_method(method: str) -> tuple[Any, Any]:
    """Import a method of one's own.

    Args:
        method: `FILE.py:CLASS` or `MODULE:CLASS`; the class extends `UnlearningTrainer`.

    Returns:
        The class, and its Config: the type of its attribute `args`.

    Raises:
        FileNotFoundError: If there is no such file or module.
        ValueError: If it has no such class, or that is not a method.
    """
    from .base import UnlearningConfig, UnlearningTrainer

    path, (place, _, name) = own_place(method), method.rpartition(":")
    if place.endswith(".py"):
        alias = f"own_method_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        if alias not in sys.modules:
            spec = spec_from_file_location(alias, path)
            assert spec is not None and spec.loader is not None  # of a file that ends in .py
            sys.modules[alias] = module_from_spec(spec)  # dataclasses look their module up
            try:
                spec.loader.exec_module(sys.modules[alias])
            except BaseException:
                del sys.modules[alias]
                raise
        module = sys.modules[alias]
    else:
        module = import_module(place)
    found = {n: c for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, UnlearningTrainer)}
    if name not in found:
        own = ", ".join(n for n, c in found.items() if c.__module__ == module.__name__) or "none"
        raise ValueError(
            f"method {method!r}: {place} has no class {name!r} that extends UnlearningTrainer; it has {own}"
        )
    config = get_type_hints(found[name])["args"]
    if not (isinstance(config, type) and issubclass(config, UnlearningConfig)):
        raise ValueError(f"method {method!r}: the type of `args` must extend UnlearningConfig, not be {config}")
    return found[name], config


# What open-unlearning and TOFU call a method, in lower case -> its name here.
OTHER_NAMES = {
    "finetune": "retain_finetune",
    "gradascent": "gradient_ascent",
    "grad_ascent": "gradient_ascent",
    "ga": "gradient_ascent",
    "graddiff": "gradient_difference",
    "grad_diff": "gradient_difference",
    "gd": "gradient_difference",
    "badt": "bad_teacher",
}

METHODS = MethodTable(
    __name__,
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
        "simnpo": "SimNPO",
        "wga": "WGA",
        "satimp": "SatImp",
        "undial": "UNDIAL",
        "ceu": "CEU",
        "jensun": "JensUn",
        "maximum_entropy": "MaximumEntropy",
        "idk_ap": "IDKAP",
        "flat": "FLAT",
        "ihl": "IHL",
        "task_vector": "TaskVector",
        "adaptive_rmu": "AdaptiveRMU",
        "pdu": "PDU",
        "door": "DOOR",
        "bad_teacher": "BadTeacher",
        "mmunlearner": "MMUnlearner",
        "altpo": "AltPO",
        "relearn": "ReLearn",
        "lunar": "LUNAR",
        "kvw": "KVW",
        "manu": "MANU",
        "vgid": "VGID",
        "smfa": "SMFA",
    },
    own=True,
)

_OF_BASE = ("Quantity", "ScoreCallback", "Sides", "Terms", "Totals", "UnlearningConfig", "UnlearningTrainer",
            "sequence_means", "token_mean")  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a class of a method, or what all methods share, on first use."""
    if name in _OF_BASE:
        return getattr(import_module(f"{__name__}.base"), name)
    return METHODS.class_named(name)
