"""The settings of an audit. Nothing here imports torch."""

from dataclasses import dataclass, field
from typing import Any

DTYPES = ("float32", "bfloat16", "float16")


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class AuditSettings:
    """How much is asked, and how hard it is tried."""

    questions_each: int = _setting(
        4, "photos, and facts, of each person that are asked about; as many others are for relearning"
    )
    samples: int = _setting(32, "answers that are drawn to each question")
    max_new_tokens: int = _setting(32, "limit of an answer")
    relearn_rate: float = _setting(
        2e-5, "learning rate of relearning: the one that the models were trained with is the fairest"
    )
    relearn_batch: int = _setting(8, "rows of a step of relearning")
    batch_size: int = _setting(16, "questions at a time")
    seed: int = _setting(0, "draws answers, batches and labels")
    dtype: str = _setting("float32", "precision of the weights: float32, bfloat16 or float16")

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = ("questions_each", "samples", "max_new_tokens", "relearn_batch", "batch_size")
        for name, bound in {**dict.fromkeys(counts, 1), "seed": 0}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be {bound} or more, not {getattr(self, name)}")
        if not 0 < self.relearn_rate < 1:
            raise ValueError(f"relearn_rate must be between 0 and 1, not {self.relearn_rate}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
