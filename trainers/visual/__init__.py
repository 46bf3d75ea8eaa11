"""Unlearning of faces by a recogniser: one row in VISUAL_METHODS a method; kin share a file."""

from typing import Any

from trainers import MethodTable

VISUAL_METHODS = MethodTable(
    "trainers.visual",
    {
        "original": "finetune.Original",
        "gold": "finetune.Gold",
        "retain_finetune": "finetune.VisualRetainFinetune",
        "neggrad": "NegGrad",
        "scrub": "VisualSCRUB",
        "scrub_bio": "scrub.SCRUBBio",
        "llmu": "VisualLLMU",
        "rmu": "VisualRMU",
        "dpo": "VisualDPO",
        "sparsity": "finetune.Sparsity",
        "twins": "Twins",
        "random_label": "RandomLabel",
        "salun": "random_label.VisualSalUn",
        "boundary_shrink": "BoundaryShrink",
        "bad_teacher": "VisualBadTeacher",
        "ssd": "SSD",
    },
)
FURTHER = ("random_label", "salun", "boundary_shrink", "bad_teacher", "ssd")  # no rows of CLEAR: they run if named
FROM_BASE = ("original", "gold")  # trained from the pretrained model; all others start from the original


def __getattr__(name: str) -> Any:
    """Import a class of a method on first use."""
    return VISUAL_METHODS.class_named(name)
