"""Build a dataset folder: rows to Parquet, pictures, fingerprints, all or nothing."""
