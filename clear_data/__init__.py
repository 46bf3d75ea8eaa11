"""What stands behind `clear_dataset.py`: corpora, splits by person, checks and publishing."""
