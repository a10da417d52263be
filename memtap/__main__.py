"""`python -m memtap`."""

from memtap.cli import program

program()
