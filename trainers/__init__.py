"""Unlearning methods as TRL trainers: one file a method, `METHODS[name] = (Trainer, Config)`."""

from .base.trainer import UnlearningConfig, UnlearningTrainer
from .dpo import DPOConfig, DPOTrainer
from .gradient_ascent import GradientAscentConfig, GradientAscentTrainer
from .gradient_difference import GradientDifferenceConfig, GradientDifferenceTrainer
from .idk import IDKConfig, IDKTrainer
from .kl import KLConfig, KLTrainer
from .llmu import LLMUConfig, LLMUTrainer
from .npo import NPOConfig, NPOTrainer
from .retain_finetune import RetainFinetuneConfig, RetainFinetuneTrainer
from .rmu import RMUConfig, RMUTrainer
from .scrub import SCRUBConfig, SCRUBTrainer
from .sku import SKUConfig, SKUTrainer

METHODS: dict[str, tuple[type[UnlearningTrainer], type[UnlearningConfig]]] = {
    "retain_finetune": (RetainFinetuneTrainer, RetainFinetuneConfig),
    "gradient_ascent": (GradientAscentTrainer, GradientAscentConfig),
    "gradient_difference": (GradientDifferenceTrainer, GradientDifferenceConfig),
    "kl": (KLTrainer, KLConfig),
    "idk": (IDKTrainer, IDKConfig),
    "dpo": (DPOTrainer, DPOConfig),
    "npo": (NPOTrainer, NPOConfig),
    "scrub": (SCRUBTrainer, SCRUBConfig),
    "llmu": (LLMUTrainer, LLMUConfig),
    "rmu": (RMUTrainer, RMUConfig),
    "sku": (SKUTrainer, SKUConfig),
}
