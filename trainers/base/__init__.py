"""The trainer that every unlearning method extends, and its machinery."""

from .config import UnlearningConfig
from .terms import Terms
from .trainer import Quantity, UnlearningTrainer

__all__ = ["Quantity", "Terms", "UnlearningConfig", "UnlearningTrainer"]
