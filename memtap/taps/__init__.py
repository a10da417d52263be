"""Taps: what prints the lines. `choice.choose` picks one, `supervisor.Supervisor` keeps it running."""
