"""`memtap run`: tap, store and dashboard in one process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import cast

from memtap.commands import keeping, listening, loading
from memtap.commands.listening import Page
from memtap.errors import MemtapError, StoreAway
from memtap.housekeeping import Housekeeper
from memtap.late import LateReader, LateWriter
from memtap.live import Live
from memtap.separation import Separation
from memtap.spool.place import default_folder
from memtap.spool.spool import Spool
from memtap.status import SpoolStatus, Status, TapStatus
from memtap.stopping import stop_on_signals
from memtap.stores import default_url, open_store, reader_url, store_url
from memtap.stores.address import MySQLAddress, parse
from memtap.stores.contract import Reader, Store, Writer
from memtap.taps.choice import MOST_LEFT_OUT, SPECS, choose
from memtap.taps.tap import Tap

LOOK_S = 0.5  # how often the terminal is told of what changed
WORTH_TELLING = 5  # batches in the spool: a store that is slow for a moment is no news


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "tap this machine, store every call, and show it in a browser"
    parser = subparsers.add_parser("run", help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument("--tap", default="auto", metavar="TAP", help=f"{SPECS} (default: %(default)s)")
    parser.add_argument(
        "--store", metavar="URL", help="where to (default: MEMTAP_STORE, else a DuckDB file of your own)"
    )
    parser.add_argument(
        "--spool",
        metavar="DIR",
        type=Path,
        help="where calls wait on disk while the store is away, slow or full (default: beside a DuckDB file, "
        "else in ~/.local/state/memtap)",
    )
    parser.add_argument(
        "--spool-bytes",
        metavar="SIZE",
        type=keeping.size_bytes,
        default="4G",
        help="drop, and count, what comes beyond this size of the spool; 0: no spool (default: %(default)s)",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        default=os.environ.get("MEMTAP_USER", ""),
        help="whom memtap becomes when root starts it, all but the tap (default: MEMTAP_USER, else who called sudo,"
        " else memtap or nobody, where they can; root: stay root)",
    )
    loading.add_arguments(parser)
    keeping.add_arguments(parser, events="24h", size="20G", rollups="400d")
    listening.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until SIGINT or SIGTERM, then within two seconds: the tap ended, what was read stored."""
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        url = store_url(args.store)
        reader_url(args.reader_store)  # a bad one is told before anything is made
        separation = stack.enter_context(closing(Separation(args.user, url, _tap_files(args.tap))))
        listener = stack.enter_context(closing(listening.listen(args)))
        servers = _server_pids(url)
        left_out = (os.getpid(), *servers, *separation.keeper_pid)[:MOST_LEFT_OUT]
        tap = choose(args.tap, leave_out=left_out, say=_say)
        if tap.recording and url == default_url():  # it is not this machine's history
            url = url.removesuffix("memtap.duckdb") + "recording.duckdb"
        spool_folder = args.spool or default_folder(url)
        separation.hand_over(tap)
        store = stack.enter_context(closing(open_store(url, load=args.load, connections=loading.CONNECTIONS)))
        read_store = stack.enter_context(_read_through(args.reader_store, store))
        spool = _spool(args, tap, spool_folder, stack)
        is_there = _made_ready(store, spool)
        reader = read_store.reader() if is_there else cast(Reader, LateReader(read_store.reader))
        stack.enter_context(closing(reader))
        writer: Writer
        if is_there:  # calls are in the order of their streams' numbers: what waits in the spool goes first
            writer = LateWriter(store.writer) if spool and spool.unread else store.writer()
        else:
            writer = LateWriter(lambda: _late(store, live, reader))
        stack.enter_context(closing(writer))
        live = Live(tap, writer, spool, launch=separation.launch)
        if is_there:
            live.look_back(reader)
        else:
            live.begin_unknowing()
        housekeeper = Housekeeper(store, keeping.retention(args))

        def status() -> Status:
            return replace(live.status(), retention=housekeeper.status)

        page = listening.make_page(args, listener, reader, status, store.url)
        page.server.start()
        try:
            live.start()
            housekeeper.start()
            page.server.wait_ready()
            _greet(tap, store.url, separation.message, status().spool.batches, with_server=bool(servers))
            print(page.address, flush=True)
            if args.open:
                page.open_browser()
            _watch(tap, status, page, stop.event)
        finally:
            page.server.stop()
            housekeeper.stop(0)
            unstored = live.stop()
            if not housekeeper.stop(2):  # DuckDB aborts where a file is closed under a step: the end closes it
                stack.pop_all()
            page.server.join()
    if unstored.lost:
        raise MemtapError(
            f"stopped, but the store did not take the last {unstored.lost:,} calls in time: they are lost"
        )
    if unstored.spooled and spool:
        _say(
            f"stopped; the store has not taken {unstored.spooled:,} batches: they wait in {spool.folder} for the next"
            " memtap run"
        )
    else:
        _say("stopped; everything that was read is stored")
    return 0


def _server_pids(url: str) -> tuple[int, ...]:
    """The processes of the store's server: what they do for memtap is not what the machine does."""
    if not isinstance(parse(url), MySQLAddress):
        return ()
    with closing(open_store(url)) as store, suppress(StoreAway):  # that is told of when the store is opened
        return store.server_pids()
    return ()


def _made_ready(store: Store, spool: Spool | None) -> bool:
    """False where the store is away, and all that comes can wait in a spool."""
    try:
        store.migrate()
    except StoreAway as error:
        if not spool or spool.error:
            raise
        _say(f"{error}; until it answers, what comes waits in {spool.folder}")
        return False
    return True


def _late(store: Store, live: Live, reader: Reader) -> Writer:
    """Of a store that was away at the start, and is back."""
    store.migrate()
    live.look_back(reader)
    return store.writer()


def _tap_files(spec: str) -> tuple[Path, ...]:
    """What the tap reads that memtap itself opens."""
    name, _, path = spec.partition(":")
    return (Path(path),) if name in ("file", "replay") and path else ()


def _spool(args: argparse.Namespace, tap: Tap, folder: Path | None, stack: ExitStack) -> Spool | None:
    """None: of a file, which can be read again, or where nobody wants one."""
    if not folder or not args.spool_bytes or not tap.restarts:
        return None
    spool = Spool(folder.absolute(), args.spool_bytes)
    spool.open()
    stack.callback(spool.close)
    if spool.error:
        _say(f"{spool.error}: calls that the store does not take wait in memory alone")
    return spool


@contextmanager
def _read_through(argument: str | None, store: Store) -> Iterator[Store]:
    """The store as the page reads it: through an account of its own, where there is one."""
    url = reader_url(argument)
    if url is None:
        yield store
        return
    with closing(open_store(url)) as read_store:
        yield read_store


def _greet(tap: Tap, url: str, runs_as: str, spooled: int, *, with_server: bool) -> None:
    _say(f"{'NOTE: ' if tap.recording else ''}{tap.message}")
    if tap.left_out:
        who = "memtap and its database" if with_server else "memtap itself"
        _say(f"left out: {who} (pid {', '.join(map(str, tap.left_out))})")
    if runs_as:
        _say(runs_as)
    if spooled:
        _say(f"spool: {spooled:,} batches of an earlier memtap go into the store first")
    _say(f"stored in {url}; Ctrl-C stops")


def _watch(tap: Tap, status: Callable[[], Status], page: Page, stopping: Event) -> None:
    """Tells the terminal of what changes, until stopped. Raises MemtapError where memtap cannot go on."""
    before = Status(TapStatus(message=tap.message))  # as it was greeted: the tap may have failed since
    spool_news = _SpoolNews()
    while not stopping.wait(LOOK_S):
        if page.server.join(0):
            raise MemtapError("the HTTP server has ended by itself; what was read is stored")
        now = status()
        for line in (*_news(before, now), *spool_news.of(before.spool, now.spool)):
            _say(line)
        before = now


def _news(before: Status, now: Status) -> Iterator[str]:
    if now.tap.message != before.tap.message:
        yield f"tap: {now.tap.message}"
        if now.tap.state == "restarting":
            yield from (f"  {line}" for line in now.tap.stderr)
    if now.pipeline.store_error != before.pipeline.store_error:
        yield now.pipeline.store_error or "store: answers again"  # an error names the store itself
    if now.retention.error and now.retention.error != before.retention.error:
        yield now.retention.error


class _SpoolNews:
    """What the terminal is told of the spool: no word where it is in use for a moment only."""

    def __init__(self) -> None:
        self._told = False  # of what waits, and not yet that it is stored

    def of(self, before: SpoolStatus, now: SpoolStatus) -> Iterator[str]:
        waits = f"{now.batches:,} batches ({now.bytes / 1e6:,.1f} MB)"
        if now.state == "empty" and self._told:
            self._told = False
            yield "spool: empty again, all of it is stored"
        elif now.state == "spooling" and not self._told:
            self._told = True
            yield f"spool: the store takes nothing now; what comes waits in {now.path}"
        elif now.state == "draining" and before.state != "draining" and now.batches >= WORTH_TELLING:
            self._told = True
            yield f"spool: {waits} on their way into the store"
        elif now.state == "full" and before.state != "full":
            self._told = True
            yield f"spool: full with {waits}; what comes waits in memory, and is dropped and counted when that is full"
        elif now.error and not before.error:
            self._told = True
            yield f"{now.error}; what comes waits in memory, and is dropped and counted when that is full"
        if now.damaged > before.damaged:
            yield f"spool: damaged in {now.damaged - before.damaged} places; what is lost is counted, the rest stored"
        if now.dropped and not before.dropped:
            yield "spool: no room left, calls are dropped and counted as lost"


def _say(line: str) -> None:
    print(f"memtap: {line}", file=sys.stderr, flush=True)
