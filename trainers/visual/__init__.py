"""Unlearning of faces by a recogniser: one file a method, `VISUAL_METHODS[name] = (Trainer, Config)`."""

from .base import VisualConfig, VisualTrainer
from .dpo import VisualDPOConfig, VisualDPOTrainer
from .gold import GoldConfig, GoldTrainer
from .llmu import VisualLLMUConfig, VisualLLMUTrainer
from .neggrad import NegGradConfig, NegGradTrainer
from .original import OriginalConfig, OriginalTrainer
from .retain_finetune import VisualRetainFinetuneConfig, VisualRetainFinetuneTrainer
from .rmu import VisualRMUConfig, VisualRMUTrainer
from .scrub import VisualSCRUBConfig, VisualSCRUBTrainer
from .scrub_bio import SCRUBBioConfig, SCRUBBioTrainer
from .sparsity import SparsityConfig, SparsityTrainer
from .twins import TwinsConfig, TwinsTrainer

VISUAL_METHODS: dict[str, tuple[type[VisualTrainer], type[VisualConfig]]] = {
    "original": (OriginalTrainer, OriginalConfig),
    "gold": (GoldTrainer, GoldConfig),
    "retain_finetune": (VisualRetainFinetuneTrainer, VisualRetainFinetuneConfig),
    "neggrad": (NegGradTrainer, NegGradConfig),
    "scrub": (VisualSCRUBTrainer, VisualSCRUBConfig),
    "scrub_bio": (SCRUBBioTrainer, SCRUBBioConfig),
    "llmu": (VisualLLMUTrainer, VisualLLMUConfig),
    "rmu": (VisualRMUTrainer, VisualRMUConfig),
    "dpo": (VisualDPOTrainer, VisualDPOConfig),
    "sparsity": (SparsityTrainer, SparsityConfig),
    "twins": (TwinsTrainer, TwinsConfig),
}
FROM_BASE = ("original", "gold")  # trained from the pretrained model; all others start from the original
