"""`memtap ingest`: a file or standard input into a store, resumable."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from memtap.commands import keeping, loading
from memtap.errors import MemtapError
from memtap.host import this_host
from memtap.housekeeping import Housekeeper
from memtap.loader import Loader
from memtap.names import display
from memtap.native import Parser
from memtap.progress import IngestProgress
from memtap.pump import FILE_ROWS, Pump
from memtap.source import FileSource, PipeSource, open_source, shown_path, unreadable
from memtap.stopping import Stop, stop_on_signals
from memtap.stores import open_store, store_url
from memtap.stores.streams import Cursor, Stream, is_known_boot, unknown_boot

if TYPE_CHECKING:
    from memtap.header import Header
    from memtap.stores.contract import Writer

PATIENCE_S = 60.0  # how long a store may be away in the middle of a file
KEPT_PROCESSES = 16_384  # 200 bytes each: the store is asked again for who is let go of
QUIET_BATCHES = 4  # without a call of a process; nobody asks for its totals here
STEP_MOST_S = 30.0  # that a step of the housekeeping may take at the end
SAMPLES = 3  # rejected lines shown


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "store the calls of a trace: a file, plain or gzip, or standard input"
    parser = subparsers.add_parser(
        "ingest",
        help=summary,
        description=f"{summary.capitalize()}. A file that was stored in part is continued where it was left.",
    )
    parser.add_argument("file", metavar="FILE|-", help="the trace; - is standard input")
    parser.add_argument(
        "--store", metavar="URL", help="where to (default: MEMTAP_STORE, else a DuckDB file of your own)"
    )
    parser.add_argument(
        "--boot",
        metavar="ID",
        type=_boot,
        help="the boot that a trace in format 1 is of: traces of one boot share their processes "
        "(default: unknown, and a trace's processes are its own)",
    )
    loading.add_arguments(parser)
    loading.add_connections(parser)
    keeping.add_arguments(parser, events=keeping.ALL, size=keeping.ALL, rollups=keeping.ALL)
    parser.add_argument("--json", action="store_true", help="print one JSON object when done")
    parser.set_defaults(run=run)


def _boot(text: str) -> str:
    if not 1 <= len(text) <= 64 or not text.isascii() or not is_known_boot(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no boot id: give 1 to 64 ASCII characters, such as those of /proc/sys/kernel/random/boot_id"
        )
    return text


class Outcome(NamedTuple):
    """What one `memtap ingest` did."""

    stream: str
    resumed_at: int  # bytes that had been stored before
    lines: int
    events: int
    stored: int
    rejected: int
    rejected_by: dict[str, int]
    notices: int
    lost: int
    batches: int
    seconds: float
    samples: list[bytes]

    def as_json(self) -> bytes:
        fields = self._asdict()
        fields["seconds"] = round(self.seconds, 6)
        fields["samples"] = [display(line) for line in self.samples]
        import json  # orjson takes five times as long to load, and this is one line

        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    def as_text(self) -> Iterator[str]:
        if self.resumed_at and not self.lines:
            yield f"nothing new: the {self.resumed_at:,} bytes of {self.stream} were stored before"
            return
        if self.resumed_at:
            yield f"continued after {self.resumed_at:,} bytes that were stored before"
        rate = self.lines / self.seconds if self.seconds else 0
        yield (
            f"{self.stored:,} calls stored from {self.lines:,} lines in {self.seconds:.2f} s ({rate:,.0f} lines/s); "
            f"{self.rejected:,} rejected, {self.lost:,} lost, {self.notices:,} notices of the tap"
        )
        if self.rejected:
            why = ", ".join(f"{count:,} {reason}" for reason, count in self.rejected_by.items())
            yield f"rejected lines, by what is wrong with them: {why}; the last ones:"
            yield from (f"  {display(line)}" for line in self.samples[-SAMPLES:])


def run(args: argparse.Namespace) -> int:
    with (
        closing(open_source(args.file)) as source,
        closing(open_store(store_url(args.store), load=args.load, connections=args.connections)) as store,
    ):
        if args.file == "-" and sys.stdin.isatty():
            print("memtap: reading lines from the terminal; end with Ctrl-D", file=sys.stderr)
        header = source.header()  # may wait for the first line, and nothing is begun: Ctrl-C ends it as any program
        with stop_on_signals() as stop:
            store.migrate()
            housekeeper = Housekeeper(store, retention := keeping.retention(args))
            housekeeper.start()
            try:
                with closing(store.writer()) as writer:
                    outcome, error = ingest(source, header, writer, stop, args.boot, args.connections)
            finally:
                housekeeper.stop(STEP_MOST_S)  # before the store is closed under its step
            if retention:
                _finish(housekeeper)
    if args.json:
        sys.stdout.buffer.write(outcome.as_json() + b"\n")
    else:
        for line in outcome.as_text():
            print(line)
    if error:
        raise error
    if outcome.rejected and not outcome.events and not outcome.resumed_at:
        raise MemtapError(
            f"{source.label}: none of its {outcome.lines:,} lines is a memory call: "
            "check that it is a trace, as memtap tap prints it (stap/FORMAT.md)"
        )
    return 0


def _finish(housekeeper: Housekeeper) -> None:
    """What was stored last is kept no longer than the rest."""
    while (latest := housekeeper.step()) and latest.more:
        pass
    if error := housekeeper.status.error:
        print(f"memtap: {error}", file=sys.stderr)


def ingest(
    source: FileSource | PipeSource,
    header: Header | None,
    writer: Writer,
    stop: Stop,
    boot: str | None,
    connections: int = 1,
) -> tuple[Outcome, MemtapError | None]:
    """Everything from where the source was left, with a batch for each of the store's connections. The error says why
    it ended before the source did."""
    begun = time.perf_counter()
    name, cursor = _resume(source, writer, header, boot)
    begin = header.line if header and cursor.offset else b""
    parser = Parser(rows=FILE_ROWS, header=begin, keep_ended=KEPT_PROCESSES, quiet_batches=QUIET_BATCHES)
    loader = Loader(writer, cursor, most_rows=(connections + 1) * FILE_ROWS, drop=False, patience_s=PATIENCE_S)
    pump = Pump(parser, loader, flush_s=None if source.regular else (0.25, 1.0), base=cursor.offset)
    stream = source.bytes_from(cursor.offset)
    loader.start()
    stream.start()

    stop.then(stream.stop)
    stop.then(loader.hurry)
    with IngestProgress(source.size) as progress:

        def show() -> None:
            offset = cursor.offset + parser.consumed
            progress.show(offset, parser.events, time.perf_counter() - begun, loader.store_error)

        try:
            pump.run(stream.pulled, on_tick=show, check=source.check, interrupted=lambda: stop or stream.error)
        finally:
            stream.stop()
            loader.finish()
        stream.join()
    if loader.failure:
        raise loader.failure
    outcome = Outcome(
        stream=shown_path(name),
        resumed_at=cursor.offset,
        lines=parser.lines,
        events=parser.events,
        stored=loader.stored,
        rejected=parser.rejected,
        rejected_by=parser.rejected_by,
        notices=parser.notices,
        lost=sum(loader.lost.values()),
        batches=loader.batches,
        seconds=time.perf_counter() - begun,
        samples=parser.samples,
    )
    return outcome, _why_early(source, stream.error, stop)


def _resume(
    source: FileSource | PipeSource, writer: Writer, header: Header | None, boot: str | None
) -> tuple[str, Cursor]:
    """The stream and where it was left: the same file's, or the beginning of a new one."""
    name = _stream_name(source, writer)
    host = header.host if header else this_host()._replace(boot_id=boot or unknown_boot(name))
    cursor = writer.open_stream(Stream(name, source.tap, host))
    if isinstance(source, FileSource):
        cursor = cursor._replace(offset=source.resumption(cursor.offset))
    return name, cursor


def _stream_name(source: FileSource | PipeSource, writer: Writer) -> str:
    if isinstance(source, PipeSource):
        return f"stdin:{time.time_ns()}-{os.getpid()}"
    found = writer.last_stream(source.stream_prefix)
    if found is None:
        return f"{source.stream_prefix}1"
    name, cursor = found
    if source.is_continued_at(cursor.offset, cursor.check):
        return name
    return f"{source.stream_prefix}{int(name.rpartition('#')[2]) + 1}"  # another file stands at this path now


def _why_early(source: FileSource | PipeSource, error: Exception | None, stop: Stop) -> MemtapError | None:
    if stop:
        again = "run it again to continue" if isinstance(source, FileSource) else "what had been read is stored"
        return MemtapError(f"stopped by {stop.signal} before the end of {source.label}: {again}")
    if error:
        return unreadable(source.label, error)
    return None
