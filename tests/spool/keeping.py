"""A writer that keeps what it gets as a store would, and batches that are numbered."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from memtap.native import Batch, Parser
from memtap.stores.contract import Cursor, Host, SealedBatch, Stream

HEADER = b'memtap: format=2, tap=x, version=1, host="h", boot=b, clock=realtime, page=4096, memory=1\n'
HOST = Host("h", "b", 1, 4096)
OWN = Stream("tap:h:b:2", "x", HOST)
EARLIER = Stream("tap:h:b:1", "x", HOST)
FIRST_US = 1_795_411_501_000_000


@dataclass
class Kept:
    """Of one stream."""

    number: int
    batches: dict[int, SealedBatch] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)

    @property
    def cursor(self) -> Cursor:
        if not self.batches:
            return Cursor(self.number)
        last = self.batches[max(self.batches)]
        return Cursor(self.number, last.number + 1, last.first_ordinal + len(last.events))

    @property
    def lengths(self) -> list[int]:
        """Of its calls, in their order: each is numbered by its length."""
        return [length for number in sorted(self.batches) for length in self.batches[number].events.length]

    @property
    def lost(self) -> Counter[str]:
        lost: Counter[str] = Counter()
        for batch in self.batches.values():
            for loss in batch.losses:
                lost[loss.cause] += loss.events
        return lost


class KeepingWriter:
    """A store's writer that keeps all in memory; `error` is raised instead while it is set."""

    def __init__(self) -> None:
        self.streams: dict[str, Kept] = {}
        self.error: Exception | None = None
        self.asked = 0

    def __getitem__(self, stream: Stream) -> Kept:
        return self.streams[stream.name]

    def _check(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error

    def open_stream(self, stream: Stream) -> Cursor:
        self._check()
        return self.streams.setdefault(stream.name, Kept(len(self.streams) + 1)).cursor

    def last_stream(self, prefix: str) -> None:
        return None

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        return False

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        self._check()
        kept = self._of(stream_no)
        if batch.number in kept.batches:
            return False
        assert batch.number >= kept.cursor.next_batch, "in order"
        assert batch.first_ordinal >= kept.cursor.next_ordinal
        kept.batches[batch.number] = batch
        return True

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        self._check()
        self._of(stream_no).ended += pids

    def close(self) -> None:
        pass

    def _of(self, stream_no: int) -> Kept:
        return next(kept for kept in self.streams.values() if kept.number == stream_no)


def numbered(count: int, first: int = 0, parser: Parser | None = None, pid: int = 7) -> Batch:
    """A batch of calls whose lengths count up; a millisecond lies between two."""
    parser = parser or Parser(header=HEADER.strip())
    parser.feed(
        b"".join(
            b"mmap: pid=%d, start=1, uid=0, cgroup=0, time=%d, length=%d, freed=0, errno=0, kind=anonymous, vm=1,"
            b' rss=0, process="x"\n' % (pid, FIRST_US + 1000 * number, number)
            for number in range(first, first + count)
        )
    )
    return parser.seal()


def sealed(sizes: Sequence[int]) -> Iterator[SealedBatch]:
    """Batches of so many calls each, all of one stream."""
    parser = Parser(header=HEADER.strip())
    for number, (size, ordinal) in enumerate(zip(sizes, itertools.accumulate(sizes, initial=0), strict=False)):
        yield SealedBatch(number, ordinal, 0, b"", numbered(size, ordinal, parser), size, 0, 0)
