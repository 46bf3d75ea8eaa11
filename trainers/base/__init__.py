"""The trainer that every unlearning method extends, and its machinery."""

from .config import UnlearningConfig
from .trainer import Quantity, Terms, UnlearningTrainer

__all__ = ["Quantity", "Terms", "UnlearningConfig", "UnlearningTrainer"]
