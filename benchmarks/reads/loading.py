"""The loader's rate into a store of many calls against its rate into an empty one, batch by batch in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from benchmarks.reads.filling import CALLS_PER_S, FIRST_US, PROCESSES
from memtap.native import Parser
from memtap.stores.contract import Cursor, Host, SealedBatch, Store, Stream, Writer

BATCHES, CALLS = 36, 65_536
WARM = 4  # batches that do not count: they find or make 10,000 processes, and open what the store reads
STREAM = Stream("loading", "stdin", Host("bench", "boot", 16 << 30, 4096))


def batches(first: int, start: Cursor, count: int, calls: int) -> Iterator[SealedBatch]:
    """`count` of `calls` calls, the first of which is the stream's call number `first`."""
    parser = Parser(rows=calls)
    for number in range(start.next_batch, start.next_batch + count):
        ordinal = (number - start.next_batch) * calls
        parser.feed(b"".join(map(_line, range(first + ordinal, first + ordinal + calls))))
        yield SealedBatch(number, start.next_ordinal + ordinal, 0, b"", parser.seal(), calls, 0, 0)


def _line(number: int) -> bytes:
    pid = 1 + number * 7919 % PROCESSES
    call = b"munmap" if number % 3 == 0 else b"mmap2"
    time_us = FIRST_US + number * 1_000_000 // CALLS_PER_S
    return b"%s: PID=%d, process=worker/%d, time=%d, length=%d\n" % (call, pid, pid % 40, time_us, 4096)


def loading(filled: Store, empty: Store, calls: int, cpu_ns: Callable[[], int]) -> tuple[float, float]:
    """Calls per second of processor time into either; what comes next of a store of so many calls."""
    with closing(filled.writer()) as one, closing(empty.writer()) as other:
        writers = [one, other]
        streams = [writer.open_stream(STREAM) for writer in writers]
        spent = [0, 0]
        for number, pair in enumerate(
            zip(*(batches(calls, stream, BATCHES, CALLS) for stream in streams), strict=True)
        ):
            for at in (0, 1) if number % 2 else (1, 0):
                took = _written(writers[at], streams[at], pair[at], cpu_ns)
                spent[at] += took if number >= WARM else 0
    total = (BATCHES - WARM) * CALLS
    return total / spent[0] * 1e9, total / spent[1] * 1e9


def _written(writer: Writer, stream: Cursor, batch: SealedBatch, cpu_ns: Callable[[], int]) -> int:
    begun = cpu_ns()
    assert writer.write(stream.stream_no, batch)
    return cpu_ns() - begun
