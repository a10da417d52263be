"""The options of how rows go into a store, of the commands that write one."""

from __future__ import annotations

import argparse

from memtap.stores import LOADS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--load",
        choices=LOADS,
        default="auto",
        help="how rows go into MySQL or MariaDB: by LOAD DATA LOCAL, by INSERT, or by INSERT where LOCAL is refused "
        "(default: %(default)s)",
    )
