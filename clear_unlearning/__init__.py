"""Unlearning of text and images from Python: the public names, each imported when it is first used.

    from clear_unlearning import NPOConfig, NPOTrainer, evaluate_model, load_clear, score_log

All other names of this suite are private and may change. Modules of the suite import nothing from here.
"""

import difflib
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clear_dataset import load_clear
    from clear_pipeline.evaluate import evaluate_model
    from evaluate_metrics.log_format import Log
    from evaluate_metrics.scores import score_log
    from trainers import METHODS
    from trainers.adaptive_rmu import AdaptiveRMUConfig, AdaptiveRMUTrainer
    from trainers.altpo import AltPOConfig, AltPOTrainer
    from trainers.bad_teacher import BadTeacherConfig, BadTeacherTrainer
    from trainers.base import (
        Quantity,
        ScoreCallback,
        Sides,
        Terms,
        Totals,
        UnlearningConfig,
        UnlearningTrainer,
        sequence_means,
        token_mean,
    )
    from trainers.ceu import CEUConfig, CEUTrainer
    from trainers.door import DOORConfig, DOORTrainer
    from trainers.dpo import DPOConfig, DPOTrainer
    from trainers.flat import FLATConfig, FLATTrainer
    from trainers.gradient_ascent import GradientAscentConfig, GradientAscentTrainer
    from trainers.gradient_difference import GradientDifferenceConfig, GradientDifferenceTrainer
    from trainers.idk import IDKConfig, IDKTrainer
    from trainers.idk_ap import IDKAPConfig, IDKAPTrainer
    from trainers.ihl import IHLConfig, IHLTrainer
    from trainers.jensun import JensUnConfig, JensUnTrainer
    from trainers.kl import KLConfig, KLTrainer
    from trainers.kvw import KVWConfig, KVWTrainer
    from trainers.llmu import LLMUConfig, LLMUTrainer
    from trainers.lunar import LUNARConfig, LUNARTrainer
    from trainers.manu import MANUConfig, MANUTrainer
    from trainers.maximum_entropy import MaximumEntropyConfig, MaximumEntropyTrainer
    from trainers.mmunlearner import MMUnlearnerConfig, MMUnlearnerTrainer
    from trainers.npo import NPOConfig, NPOTrainer
    from trainers.pdu import PDUConfig, PDUTrainer
    from trainers.relearn import ReLearnConfig, ReLearnTrainer
    from trainers.retain_finetune import RetainFinetuneConfig, RetainFinetuneTrainer
    from trainers.rmu import RMUConfig, RMUTrainer
    from trainers.satimp import SatImpConfig, SatImpTrainer
    from trainers.scrub import SCRUBConfig, SCRUBTrainer
    from trainers.simnpo import SimNPOConfig, SimNPOTrainer
    from trainers.sku import SKUConfig, SKUTrainer
    from trainers.smfa import SMFAConfig, SMFATrainer
    from trainers.task_vector import TaskVectorConfig, TaskVectorTrainer
    from trainers.undial import UNDIALConfig, UNDIALTrainer
    from trainers.vgid import VGIDConfig, VGIDTrainer
    from trainers.wga import WGAConfig, WGATrainer

__version__ = "0.2.0"
__all__ = [
    "AdaptiveRMUConfig", "AdaptiveRMUTrainer", "AltPOConfig", "AltPOTrainer", "BadTeacherConfig",
    "BadTeacherTrainer", "CEUConfig", "CEUTrainer", "DOORConfig", "DOORTrainer", "DPOConfig", "DPOTrainer",
    "FLATConfig", "FLATTrainer", "GradientAscentConfig", "GradientAscentTrainer", "GradientDifferenceConfig",
    "GradientDifferenceTrainer", "IDKAPConfig", "IDKAPTrainer", "IDKConfig", "IDKTrainer", "IHLConfig", "IHLTrainer",
    "JensUnConfig", "JensUnTrainer", "KLConfig", "KLTrainer", "KVWConfig", "KVWTrainer", "LLMUConfig", "LLMUTrainer",
    "LUNARConfig", "LUNARTrainer", "Log", "MANUConfig", "MANUTrainer", "METHODS", "MMUnlearnerConfig",
    "MMUnlearnerTrainer", "MaximumEntropyConfig", "MaximumEntropyTrainer", "NPOConfig", "NPOTrainer", "PDUConfig",
    "PDUTrainer", "Quantity", "RMUConfig", "RMUTrainer", "ReLearnConfig", "ReLearnTrainer", "RetainFinetuneConfig",
    "RetainFinetuneTrainer", "SCRUBConfig", "SCRUBTrainer", "SKUConfig", "SKUTrainer", "SMFAConfig", "SMFATrainer",
    "SatImpConfig", "SatImpTrainer", "ScoreCallback", "Sides", "SimNPOConfig", "SimNPOTrainer", "TaskVectorConfig",
    "TaskVectorTrainer", "Terms", "Totals", "UNDIALConfig", "UNDIALTrainer", "UnlearningConfig", "UnlearningTrainer",
    "VGIDConfig", "VGIDTrainer", "WGAConfig", "WGATrainer", "evaluate_model", "load_clear", "score_log",
    "sequence_means", "token_mean",
]  # fmt: skip

# Names that do not come from `trainers` -> where they come from.
_FROM = {
    "Log": "evaluate_metrics.log_format",
    "evaluate_model": "clear_pipeline.evaluate",
    "load_clear": "clear_dataset",
    "score_log": "evaluate_metrics.scores",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in __all__:
        near = difflib.get_close_matches(name, __all__, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise AttributeError(f"{__name__} has no public name {name!r}; {hint}all are in {__name__}.__all__")
    return getattr(import_module(_FROM[name]) if name in _FROM else _trainers(), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _trainers() -> Any:
    """Import our `trainers`, which bears another name in a project that has a module `trainers` of its own."""
    ours = Path(__file__).parents[1] / "trainers" / "__init__.py"
    if "trainers" in sys.modules:
        found = sys.modules["trainers"].__file__
    else:
        spec = find_spec("trainers")
        found = spec.origin if spec else None
    if found is not None and Path(found).resolve() == ours.resolve():
        return import_module("trainers")
    name = f"{__name__}.trainers"
    if name not in sys.modules:
        spec = spec_from_file_location(name, ours)
        assert spec is not None and spec.loader is not None  # of a file that ends in .py
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
