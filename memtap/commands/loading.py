"""The options of how rows go into a store, of the commands that write one."""

from __future__ import annotations

import argparse

from memtap.stores import LOADS

CONNECTIONS = 4
MOST_CONNECTIONS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--load",
        choices=LOADS,
        default="auto",
        help="how rows go into MySQL or MariaDB: by LOAD DATA LOCAL, by INSERT, or by INSERT where LOCAL is refused "
        "(default: %(default)s)",
    )


def add_connections(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connections",
        metavar="N",
        type=_connections,
        default=CONNECTIONS,
        help="how many batches at most are on their way into MySQL or MariaDB at a time, each over a connection of its "
        "own: memtap finds out how many pay. They are committed one after another, in order (default: %(default)s)",
    )


def _connections(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_CONNECTIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of connections: give 1 to {MOST_CONNECTIONS}")
    return int(text)
