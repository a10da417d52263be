"""The embedded store: one DuckDB file, owned by one process."""
