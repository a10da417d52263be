"""One small file per subcommand: `add_parser` and `run`."""
