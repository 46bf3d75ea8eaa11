"""Unlearning methods as TRL trainers: one file a method, `METHODS[name] = (Trainer, Config)`."""

from .base import UnlearningConfig, UnlearningTrainer
from .gradient_ascent import GradientAscentConfig, GradientAscentTrainer
from .gradient_difference import GradientDifferenceConfig, GradientDifferenceTrainer
from .npo import NPOConfig, NPOTrainer
from .retain_finetune import RetainFinetuneConfig, RetainFinetuneTrainer

METHODS: dict[str, tuple[type[UnlearningTrainer], type[UnlearningConfig]]] = {
    "retain_finetune": (RetainFinetuneTrainer, RetainFinetuneConfig),
    "gradient_ascent": (GradientAscentTrainer, GradientAscentConfig),
    "gradient_difference": (GradientDifferenceTrainer, GradientDifferenceConfig),
    "npo": (NPOTrainer, NPOConfig),
}
