"""The settings of an audit. Nothing here imports torch."""

from dataclasses import dataclass

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class AuditSettings:
    """How much is asked, and how hard it is tried.

    Attributes:
        questions: Photos, and facts, of each person that are asked about; as many others may be shown to a model.
        samples: Answers that are drawn to each question.
        max_new_tokens: Limit of an answer.
        relearn_rate: Learning rate of relearning.
        relearn_batch: Rows of a step of relearning.
        batch_size: Questions at a time.
        seed: Draws answers, batches and labels.
        dtype: Precision of the weights.
    """

    questions: int = 4
    samples: int = 32
    max_new_tokens: int = 32
    relearn_rate: float = 2e-5
    relearn_batch: int = 8
    batch_size: int = 16
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Check the ranges."""
        least = {"questions": 1, "samples": 1, "max_new_tokens": 1, "relearn_batch": 1, "batch_size": 1, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be {bound} or more, not {getattr(self, name)}")
        if not 0 < self.relearn_rate < 1:
            raise ValueError(f"relearn_rate must be between 0 and 1, not {self.relearn_rate}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
