"""A memtap of the benchmark's own: a store with many processes, the API over it, and calls that arrive when told so.

python -m benchmarks.load.server FOLDER PROCESSES CLIENTS: prints the port, then answers each line of its input:
`ingest SECONDS` stores calls as fast as it can and prints how many a second; `trickle SECONDS` stores a small batch
twice a second, as a quiet machine does.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

from memtap.api import Settings, create_app
from memtap.commands.listening import STALE_S
from memtap.native import Parser
from memtap.server import Server, bind
from memtap.status import Status
from memtap.stores import open_store
from memtap.stores.contract import Host, SealedBatch, Stream, Writer

TOKEN = "the-token-of-the-benchmark"
ROWS = 65_536  # of a full batch
SMALL_ROWS = 500
HEADER = (
    b'memtap: format=2, tap=bpftrace, version=0.1.0, host="bench", boot=0d4b8c5e-7f7b-4a55-9b0e-6a6a2f3c1d10, '
    b"clock=realtime, page=4096, memory=17179869184\n"
)
HOST = Host("bench", "0d4b8c5e-7f7b-4a55-9b0e-6a6a2f3c1d10", 16 << 30, 4096)


class Source:
    """Lines of format 2 by so many processes, and the batches they make."""

    def __init__(self, writer: Writer, processes: int) -> None:
        self._writer = writer
        self._stream = writer.open_stream(Stream(f"bench:{time.time_ns()}", "bench", HOST)).stream_no
        self._parser = Parser(rows=ROWS)
        self._parser.feed(HEADER)
        self._processes = processes
        self._numbers = count()
        self._ordinal = 0
        self._next = 0
        self._lines = 0

    def lines(self, rows: int) -> bytes:
        now_us = time.time_ns() // 1000
        parts = []
        for at in range(rows):
            pid = 1000 + self._next % self._processes
            self._next += 1
            name = (b"worker-%d" % (pid % 500)).ljust(16, b"\0").hex().encode()
            parts.append(
                b"mmap: pid=%d, start=%d, uid=1000, cgroup=4711, time=%d, length=%d, freed=0, errno=0, kind=anonymous, "
                b"vm=%d, rss=0, process=%b\n"
                % (
                    pid,
                    pid * 10_000_000,
                    now_us + at,
                    4096 * (1 + at % 64),
                    1 << 24,
                    name,
                )
            )
        return b"".join(parts)

    def store(self, data: bytes, rows: int) -> None:
        self._parser.feed(data)
        batch = self._parser.seal()
        assert len(batch) == rows
        lines, self._lines = self._parser.lines - self._lines, self._parser.lines
        sealed = SealedBatch(
            next(self._numbers), self._ordinal, self._parser.consumed, b"", batch, lines, 0, lines - rows
        )
        assert self._writer.write(self._stream, sealed)
        self._ordinal += rows


def ingest(source: Source, seconds: float) -> float:
    """Calls stored a second."""
    data = source.lines(ROWS)
    begun, stored = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        source.store(data, ROWS)
        stored += ROWS
    return stored / (time.perf_counter() - begun)


def trickle(source: Source, seconds: float) -> float:
    begun, stored = time.perf_counter(), 0
    while (gone := time.perf_counter() - begun) < seconds:
        source.store(source.lines(SMALL_ROWS), SMALL_ROWS)
        stored += SMALL_ROWS
        time.sleep(0.5)
    return stored / gone


def main() -> None:
    folder, processes, clients = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    store = open_store(f"duckdb://{folder}/load.duckdb")
    store.migrate()
    writer = store.writer()
    source = Source(writer, processes)
    for _ in range(-(-processes // ROWS)):
        source.store(source.lines(ROWS), ROWS)
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = Settings(store_url=store.url, port=port, token=TOKEN, live_clients=2 * clients, stale_s=STALE_S)
    server = Server(create_app(store.reader(), Status, settings), listener)
    server.start()
    server.wait_ready()
    print(port, flush=True)
    for line in sys.stdin:
        what, seconds = line.split()
        print({"ingest": ingest, "trickle": trickle}[what](source, float(seconds)), flush=True)
    server.stop()
    server.join(10)


if __name__ == "__main__":
    main()
