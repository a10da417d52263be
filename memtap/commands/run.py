"""`memtap run`: tap, store and dashboard in one process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

from memtap.commands import listening
from memtap.commands.listening import Page
from memtap.errors import MemtapError
from memtap.live import Live
from memtap.status import Status, TapStatus
from memtap.stopping import stop_on_signals
from memtap.stores import default_url, open_store, reader_url, store_url
from memtap.stores.contract import Store
from memtap.taps.choice import SPECS, choose
from memtap.taps.tap import Tap

LOOK_S = 0.5  # how often the terminal is told of what changed


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "tap this machine, store every call, and show it in a browser"
    parser = subparsers.add_parser("run", help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument("--tap", default="auto", metavar="TAP", help=f"{SPECS} (default: %(default)s)")
    parser.add_argument(
        "--store", metavar="URL", help="where to (default: MEMTAP_STORE, else a DuckDB file of your own)"
    )
    listening.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until SIGINT or SIGTERM, then within two seconds: the tap ended, what was read stored."""
    with stop_on_signals() as stop, closing(listening.listen(args)) as listener:
        tap = choose(args.tap, leave_out=(os.getpid(), *_server_pids(args.store)), say=_say)
        with (
            closing(open_store(_store(args.store, tap))) as store,
            _read_through(args.reader_store, store) as read_store,
        ):
            store.migrate()
            with closing(store.writer()) as writer, closing(read_store.reader()) as reader:
                live = Live(tap, writer)
                live.end_gone(reader)
                page = listening.make_page(args, listener, reader, live.status, store.url)
                page.server.start()
                try:
                    live.start()
                    page.server.wait_ready()
                    _greet(tap, store.url, page.address)
                    if args.open:
                        page.open_browser()
                    _watch(live, page, stop.event)
                finally:
                    page.server.stop()
                    unstored = live.stop()
                    page.server.join()
    if unstored:
        raise MemtapError(f"stopped, but the store did not take the last {unstored:,} calls in time: they are lost")
    _say("stopped; everything that was read is stored")
    return 0


def _server_pids(argument: str | None) -> tuple[int, ...]:
    """The processes of the store's server: what they do for memtap is not what the machine does."""
    url = store_url(argument)
    if url == default_url():
        return ()
    with closing(open_store(url)) as store:
        return store.server_pids()


def _store(argument: str | None, tap: Tap) -> str:
    """A recording goes to a store of its own, unless told otherwise: it is not this machine's history."""
    url = store_url(argument)
    if tap.recording and url == default_url():
        return url.removesuffix("memtap.duckdb") + "recording.duckdb"
    return url


@contextmanager
def _read_through(argument: str | None, store: Store) -> Iterator[Store]:
    """The store as the page reads it: through an account of its own, where there is one."""
    url = reader_url(argument)
    if url is None:
        yield store
        return
    with closing(open_store(url)) as read_store:
        yield read_store


def _greet(tap: Tap, url: str, address: str) -> None:
    _say(f"{'NOTE: ' if tap.recording else ''}{tap.message}")
    if tap.left_out:
        who = "memtap itself" if tap.left_out == (os.getpid(),) else "memtap and its database"
        _say(f"left out: {who} (pid {', '.join(map(str, tap.left_out))})")
    _say(f"stored in {url}; Ctrl-C stops")
    print(address, flush=True)


def _watch(live: Live, page: Page, stopping: Event) -> None:
    """Tells the terminal of what changes, until stopped. Raises MemtapError where memtap cannot go on."""
    before = Status(TapStatus(message=live.tap.message))  # as it was greeted: the tap may have failed since
    while not stopping.wait(LOOK_S):
        if page.server.join(0):
            raise MemtapError("the HTTP server has ended by itself; what was read is stored")
        now = live.status()
        for line in _news(before, now):
            _say(line)
        before = now


def _news(before: Status, now: Status) -> Iterator[str]:
    if now.tap.message != before.tap.message:
        yield f"tap: {now.tap.message}"
        if now.tap.state == "restarting":
            yield from (f"  {line}" for line in now.tap.stderr)
    if now.pipeline.store_error != before.pipeline.store_error:
        yield f"store: {now.pipeline.store_error or 'answers again'}"


def _say(line: str) -> None:
    print(f"memtap: {line}", file=sys.stderr, flush=True)
