"""Experiments: a recipe, the runs it plans, the demo, tables, tuning."""
