"""Publish a dataset folder and the metrics on the Hub."""
