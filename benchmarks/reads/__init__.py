"""What reads cost as the stored calls grow: python -m benchmarks.reads."""
