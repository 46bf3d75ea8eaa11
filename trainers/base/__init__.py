"""The trainer that every unlearning method extends, and its machinery."""

from .config import UnlearningConfig
from .evaluation import ScoreCallback
from .terms import Sides, Terms, Totals, sequence_means, token_mean
from .trainer import Quantity, UnlearningTrainer

__all__ = [
    "Quantity",
    "ScoreCallback",
    "Sides",
    "Terms",
    "Totals",
    "UnlearningConfig",
    "UnlearningTrainer",
    "sequence_means",
    "token_mean",
]
