"""`memtap init`: a store's schema, made or brought up to date."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing

from memtap.stores import open_store, store_url

QUERY = """
  SELECT pid, process_name, SUM(segment_size) AS mb FROM MemoryCalls
  WHERE call_type = 'mmap2' GROUP BY pid, process_name ORDER BY mb DESC"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "create or migrate a store's schema"
    parser = subparsers.add_parser(
        "init",
        help=summary,
        description=f"{summary.capitalize()}: on MySQL and MariaDB the database too, where the account may. "
        "What is stored stays; run again, it changes nothing.",
    )
    parser.add_argument(
        "--store", metavar="URL", help="which one (default: MEMTAP_STORE, else a DuckDB file of your own)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with closing(open_store(store_url(args.store))) as store:
        before, now = store.migrate()
        for line in report(store.url, before, now):
            print(line)
    return 0


def report(url: str, before: int, now: int) -> Iterator[str]:
    """What `Store.migrate` did, for people."""
    if url.startswith("null:"):
        yield f"{url} keeps nothing: there is no schema to make"
        return
    if before == 0:
        yield f"{url}: made, schema version {now}"
    elif before < now:
        yield f"{url}: migrated from schema version {before} to {now}"
    else:
        yield f"{url}: schema version {now} already, nothing to do"
    yield f"The view MemoryCalls has the original table's columns, and its queries work as they are:{QUERY}"
