"""The engine under trainers and scores: models, batches, likelihoods, tasks and their evaluation."""

__version__ = "0.2.0"
