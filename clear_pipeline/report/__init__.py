"""The report of a run, and the tables of an experiment, as pages."""
