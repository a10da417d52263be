"""What tapping costs: workloads run untraced, and under each way to watch the same calls."""
