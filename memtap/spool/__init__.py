"""Batches on disk while the store does not take them: records in files, each one readable by itself."""
