"""`memtap export`: what a store holds as CSV, JSON lines or Parquet."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, cast

from memtap.errors import MemtapError, UsageError
from memtap.export import selection
from memtap.export.output import target
from memtap.export.selection import Selection
from memtap.stores import open_store, store_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtap.export.selection import Format
    from memtap.stores.contract import Store
    from memtap.stores.duckdb.reader import DuckDBReader
    from memtap.stores.mysql.reader import MySQLReader

SUMMARY = "events, rollups or processes as CSV, JSON lines or Parquet"
DESCRIPTION = f"""{SUMMARY.capitalize()}, in the order of arrival or of time, streamed: memory does not grow
with the rows. Sizes are bytes, times microseconds since the epoch. Names are text with escapes that lead back to their
bytes: \\\\ stands for a backslash, \\n, \\xff, \\u202e for what does not print or is not UTF-8. In CSV, text that a
spreadsheet would take for a formula, or that begins with an apostrophe, has an apostrophe before it."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("export", help=SUMMARY, description=DESCRIPTION)
    parser.add_argument("table", choices=selection.TABLES, help="what to export; events are calls")
    parser.add_argument("--format", choices=selection.FORMATS, default="csv", help="default: %(default)s")
    parser.add_argument(
        "--store", metavar="URL", help="where from (default: MEMTAP_STORE, else a DuckDB file of your own)"
    )
    parser.add_argument("--out", metavar="FILE", default="-", help="where to; - is standard output (default)")
    parser.add_argument(
        "--from",
        dest="from_us",
        metavar="TIME",
        type=_moment,
        help="no rows before: 10m (ago; s, m, h, d), 2026-11-23T09:00, or microseconds since the epoch",
    )
    parser.add_argument("--to", dest="to_us", metavar="TIME", type=_moment, help="only rows before")
    parser.add_argument(
        "--process",
        metavar="PID|NAME",
        type=_process,
        default={},
        help="of these processes only; name:123 is a process called 123",
    )
    parser.add_argument("--tier", choices=selection.TIERS, help="of rollups (default: 1s)")
    parser.set_defaults(run=run)


def _moment(text: str) -> int:
    try:
        return selection.moment(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: give 10m (ago), 2026-11-23T09:00, or microseconds since the epoch"
        ) from None


def _process(text: str) -> dict[str, int | bytes]:
    try:
        return selection.process(text)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{error}: give a pid, or a name of up to 15 bytes as memtap shows it"
        ) from None


def run(args: argparse.Namespace) -> int:
    if args.from_us is not None and args.to_us is not None and args.from_us >= args.to_us:
        raise UsageError("--from is not before --to: nothing can be between them")
    if args.tier and args.table != "rollups":
        raise UsageError(f"--tier {args.tier}: {args.table} have no tiers; leave it out, or export rollups")
    if args.format == "parquet" and args.out == "-" and sys.stdout.isatty():
        raise UsageError("--format parquet: it is no text for a terminal; use --out FILE or a pipe")
    wanted = Selection(args.table, args.from_us, args.to_us, tier=args.tier or "1s", **args.process)
    with closing(open_store(store_url(args.store), existing=True)) as store:
        copy = _copy_from(store)
        try:
            with target(args.out, sys.stdout.fileno()) as fd:
                rows, escaped = copy(wanted, args.format, fd)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise MemtapError(f"cannot write {args.out}: {os.strerror(error.errno or 0).lower()}") from error
    _say(f"{rows:,} {args.table}{'' if args.out == '-' else f' in {args.out}'}")
    if escaped:
        _say(f"{escaped:,} names have escapes (\\xff, \\n, \\\\): they hold what does not print or is not UTF-8")
    return 0


def _copy_from(store: Store) -> Callable[[Selection, Format, int], tuple[int, int]]:
    """How to get rows out of this store. Raises UsageError for one that keeps none."""
    reader = store.reader()
    if store.url.startswith("duckdb:"):
        from memtap.export import copying

        return partial(copying.copy, cast("DuckDBReader", reader).database)
    if store.url.startswith("mysql:"):
        from memtap.export import paging

        return partial(paging.copy, cast("MySQLReader", reader))
    raise UsageError(f"store {store.url} keeps nothing that could be exported")


def _say(line: str) -> None:
    print(f"memtap: {line}", file=sys.stderr, flush=True)
