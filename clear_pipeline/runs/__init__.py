"""Run folders, the executor of their steps, and their provenance."""
