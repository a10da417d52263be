"""The kernel side: one script a tracer, one output format. Installed as `memtap.stap`."""
