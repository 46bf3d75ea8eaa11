"""Unlearning of faces by a recogniser: one file a method, one row in VISUAL_METHODS."""

from typing import Any

from trainers import MethodTable

VISUAL_METHODS = MethodTable(
    "trainers.visual",
    {
        "original": "Original",
        "gold": "Gold",
        "retain_finetune": "VisualRetainFinetune",
        "neggrad": "NegGrad",
        "scrub": "VisualSCRUB",
        "scrub_bio": "SCRUBBio",
        "llmu": "VisualLLMU",
        "rmu": "VisualRMU",
        "dpo": "VisualDPO",
        "sparsity": "Sparsity",
        "twins": "Twins",
    },
)
FROM_BASE = ("original", "gold")  # trained from the pretrained model; all others start from the original


def __getattr__(name: str) -> Any:
    """Import a class of a method on first use."""
    return VISUAL_METHODS.class_named(name)
