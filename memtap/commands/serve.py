"""Dashboard and API over a store, without a tap."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from memtap.commands import listening
from memtap.status import Status
from memtap.stopping import stop_on_signals
from memtap.stores import open_store, reader_url, store_url

if TYPE_CHECKING:
    import argparse

SUMMARY = "dashboard and API over a store, without a tap"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("serve", help=SUMMARY, description=(__doc__ or "").strip())
    parser.add_argument("--store", metavar="URL", help="the store to show (default: MEMTAP_STORE, else DuckDB)")
    listening.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, then return 0."""
    with (
        stop_on_signals() as stop,
        closing(listening.listen(args)) as listener,
        closing(open_store(reader_url(args.reader_store) or store_url(args.store), existing=True)) as store,
        closing(store.reader()) as reader,
    ):
        reader.version()  # a store that cannot be read is told here, not in the browser
        page = listening.make_page(args, listener, reader, Status, store.url)
        stop.then(page.server.stop)
        print(f"memtap: serving {store.url}; Ctrl-C stops", file=sys.stderr)
        print(page.address, flush=True)  # the socket listens already: whoever connects now is answered
        if args.open:
            page.open_browser()
        page.server.run()
    return 0
