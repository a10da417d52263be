"""`memtap top`: the live table in a terminal."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from memtap.errors import StoreError, UsageError
from memtap.stores import open_store, store_url

if TYPE_CHECKING:
    from memtap.top.sources import Source

PORT = 7411
SHORTEST_S = 0.2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "the live table of processes in a terminal"
    parser = subparsers.add_parser(
        "top",
        help=summary,
        description=f"{summary.capitalize()}: of a running memtap, or of a store that nobody else has open. Keys: a "
        "column's letter or the arrows sort, i turns the order round, / filters, space pauses, q quits. In a pipe, and "
        "with --once, it prints the table once, as text.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        metavar="URL",
        help=f"a running memtap's address, such as http://127.0.0.1:{PORT}/; its token is taken from MEMTAP_TOKEN",
    )
    where.add_argument("--store", metavar="URL", help="a store (default: MEMTAP_STORE, else DuckDB)")
    parser.add_argument("--once", action="store_true", help="print the table once, as text")
    parser.add_argument(
        "--interval", metavar="SECONDS", type=_interval, default=1.0, help="between two looks (default: %(default)s)"
    )
    parser.add_argument("--sort", metavar="COLUMN", default="balance", help="a column's name (default: %(default)s)")
    parser.add_argument("--reverse", action="store_true", help="least first")
    parser.add_argument("--filter", metavar="TEXT", default="", help="part of a name, a user or a pid")
    parser.add_argument("--rows", metavar="N", type=_rows, help="with --once: at most so many (default: all)")
    parser.set_defaults(run=run)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_S <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: give {SHORTEST_S} to 3600 seconds")
    return seconds


def _rows(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of rows, 1 or more")
    return int(text)


def run(args: argparse.Namespace) -> int:
    from memtap.top.table import BY_NAME

    column = BY_NAME.get(args.sort.lower())
    if column is None:
        raise UsageError(f"--sort {args.sort!r}: there is no such column; use one of {', '.join(BY_NAME)}")
    once = args.once or not (sys.stdin.isatty() and sys.stdout.isatty())
    with ExitStack() as opened:
        source = _source(args, opened)
        source.sample()  # what cannot be read at all is said before the screen is taken
        if once:
            _print(source, args)
            return 0
        from memtap.top.screen import Top

        Top(source, interval_s=args.interval, column=column, reverse=args.reverse, pattern=args.filter).run()
    return 0


def _source(args: argparse.Namespace, opened: ExitStack) -> Source:
    from memtap.top.sources import HttpSource, StoreSource, in_use

    if args.url:
        return HttpSource(args.url, os.environ.get("MEMTAP_TOKEN", ""))
    try:
        store = opened.enter_context(closing(open_store(store_url(args.store), existing=True)))
    except StoreError as error:
        raise in_use(error, PORT) from error
    return StoreSource(opened.enter_context(closing(store.reader())), store.url)


def _print(source: Source, args: argparse.Namespace) -> None:
    from memtap.top.table import BY_NAME, chosen, lines
    from memtap.top.text import table

    first = source.sample()
    time.sleep(min(args.interval, 1.0))  # rates need two looks
    now = source.sample()
    shown = chosen(lines(first, now), args.filter, BY_NAME[args.sort.lower()], reverse=args.reverse)
    print(table(now, shown, args.rows), end="")
