"""The hot path: a tap's bytes to columns, without the GIL. DESIGN.md beside this file says how."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, final

from typing_extensions import Buffer

CALLS: tuple[str, ...]
"""The name of each call code, as a line says it: mmap2 (format 1), munmap, mmap, mremap, brk, shmat, shmdt, and the
life cycle: fork, exec, exit, and proc, what memtap itself read in /proc."""

KINDS: tuple[str, ...]
"""The name of each kind of mapping: none, anonymous, file, reserved."""

SCANS: tuple[str, ...]
"""The ways this processor can look for newlines, the best first. All give the same result."""

class LedgerRow(NamedTuple):
    """One process's exact totals."""

    pid: int
    start_us: int  # with the pid, its identity: see Batch.process_starts
    name: bytes  # the latest comm
    requested: int  # bytes; up to 128 bits
    released: int
    requests: int  # mmap-like calls
    releases: int  # munmap-like calls
    failed: int  # calls that failed; format 1 does not say
    first_us: int  # microseconds since the epoch
    last_us: int
    vm: int | None  # bytes, as of its latest line; None in format 1
    resident: int | None
    ended: bool

class FormatError(ValueError):
    """The stream's header names a format that this memtap does not know."""

@final
class Ring:
    """A bounded byte queue between one writing and one reading thread.

    `capacity` (bytes) is rounded up to whole pages. With `drop`, a Reader that finds no room drops whole lines and
    counts them; else it waits. Raises MemoryError where nothing can be mapped, ValueError for a capacity of 0.
    One thread at a time writes and one reads: a second one gets a RuntimeError.
    """

    def __init__(self, capacity: int = ..., *, drop: bool = False) -> None: ...
    @property
    def drop(self) -> bool: ...
    @property
    def capacity(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def dropped_lines(self) -> int: ...
    @property
    def dropped_bytes(self) -> int: ...
    def write(self, data: Buffer) -> int:
        """Waits for room until all of `data` is in; returns the bytes written, fewer once stopped."""
    def close(self) -> None:
        """No more will be written: the reading side sees the end once the ring is empty."""
    def stop(self) -> None:
        """Nobody will read any more: a writer that waits for room gives up."""

@final
class Reader:
    """Drains a file descriptor into a ring; `run` is a whole thread's life, without the GIL. ValueError for a negative
    descriptor.

    The descriptor stays the caller's, who closes it after `run` has returned.
    """

    def __init__(self, fd: int, ring: Ring) -> None: ...
    @property
    def ring(self) -> Ring: ...
    @property
    def bytes_read(self) -> int: ...
    def run(self) -> int:
        """Reads until the end of the file or `stop`. Returns 0 or an errno; closing the ring is left to the caller."""
    def stop(self) -> None:
        """Ends `run` soon, from any thread. What is in the ring can still be read."""

@final
class File:
    """A regular file for Parser.pull, from `offset` on, to its end or `stop`: it is mapped, window by window, and read
    where it cannot be. It may grow meanwhile; where it is cut off or its disk fails, it ends. `window`: bytes mapped
    at a time, rounded up to whole 64 KiB; a longer line is rejected. ValueError for a negative descriptor or no such
    window.

    The descriptor stays the caller's, who closes it when this is no longer used. One thread at a time: a second one
    gets a RuntimeError.
    """

    def __init__(self, fd: int, offset: int = 0, *, window: int = ...) -> None: ...
    @property
    def error(self) -> int:
        """0, or the errno of a read that failed; the file ended there."""
    def map_ahead(self) -> None:
        """Maps each next window while the one before is parsed, until `stop`: for a thread of its own, which holds no
        GIL. RuntimeError where another one does."""
    def stop(self) -> None:
        """The file ends here, for who pulls from it and for who maps it ahead. From any thread."""

@final
class Parser:
    """Bytes of one stream to columns and to the ledger of exact totals per process. One thread at a time.

    `rows`: how many calls a batch holds at most when the parser pulls from a ring. `scan`: one of SCANS. `header`:
    that of a format-2 stream whose rest this is. `keep_ended`: processes that have ended, and names that nobody has
    any more, are let go of some batches later, once half of all are such and more than this many.
    `ledger`: without, there are no totals, and all calls are of local process 0: the columns alone, to measure them.
    `quiet_batches`: in format 1, which says of nobody that it has ended, processes that had no call in so many batches,
    up to 15, are let go of, once half of all are such: memory is bounded, `ledger` has the totals of the others alone,
    and who has calls again is another local process of the same pid and start. 0: nobody is.

    `lines` = `events` + `rejected` + `notices`, always. Methods raise RuntimeError while another thread is in one,
    FormatError for a header of an unknown version, and MemoryError where memory is short: what was taken before is
    kept.
    """

    def __init__(
        self,
        *,
        rows: int = ...,
        scan: str = ...,
        header: bytes = b"",
        keep_ended: int = 1024,
        ledger: bool = True,
        quiet_batches: int = 0,
    ) -> None: ...

    rows: int
    """How many calls a batch holds at most when the parser pulls from a ring; of the next batch, once changed."""

    @property
    def format(self) -> Literal[0, 1, 2]:
        """0 until the first line that says."""
    @property
    def header(self) -> bytes:
        """Format 2: the stream's first line. Empty in format 1."""
    @property
    def lines(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def rejected_by(self) -> dict[str, int]: ...
    @property
    def notices(self) -> int:
        """Lines in which the tap speaks of itself, blank ones among them."""
    @property
    def lost(self) -> int:
        """Events that the tap said it lost."""
    @property
    def consumed(self) -> int:
        """Bytes of the stream that are accounted for: the lines above, to the byte."""
    @property
    def pending(self) -> int:
        """Calls that the next `seal` would hand out."""
    @property
    def process_pids(self) -> Sequence[int]:
        """The pid of each local process of this generation, as of the last seal: an array, which grows until another
        generation begins with another one. While somebody has a view of its memory it cannot: `seal` is a BufferError
        then, and may be tried again."""
    @property
    def generation(self) -> int:
        """That of the next batch. A new one begins between two batches, when processes are let go of."""
    @property
    def carried(self) -> int:
        """How many processes of this generation, the first ones, were of the one before."""
    @property
    def samples(self) -> list[bytes]:
        """The newest rejected lines, oldest first, cut to 160 bytes each."""
    def feed(self, data: Buffer) -> None:
        """Takes bytes, cut anywhere; the unfinished last line waits for the rest. Makes as much room as it takes."""
    def pull(self, source: Ring | File, timeout_ms: int) -> Literal["full", "waiting", "ended"]:
        """Takes lines from a ring or a file until the batch is full, `timeout_ms` has passed, or the ring was closed or
        the file has ended, and no whole line is left."""
    def finish(self, source: Ring | File | None = None) -> None:
        """The stream has ended: an unfinished last line, fed or left in the ring or file, is rejected as cut."""
    def seal(self) -> Batch:
        """Hands out the calls taken since the last seal, maybe none."""
    def end(self, pids: Iterable[int]) -> None:
        """These processes have ended: the next call under such a pid is another process's, begun with that call."""
    def ledger(self, *, live: bool = False) -> list[LedgerRow]:
        """Exact totals as of now of every process that lives or ended not long ago. `live`: only of those that live."""

@final
class ArrowTable:
    """Columns in Arrow's C layout; DuckDB, polars, pandas and pyarrow take it without copying."""

    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Batch:
    """Calls as columns; never changes. Lengths in bytes, times in microseconds since the epoch.

    DuckDB, polars, pandas and pyarrow take it as a table of call, pid, process (the comm's bytes), time_us, length.

    `process` and `name` are local ids: local process i is `process_pids[i]`, `process_starts[i]`, local name i is
    `names[i]`. Batches of one `generation` share these lists, which only ever grow, and hold at least `process_count`
    or `name_count` items.
    """

    @property
    def generation(self) -> int:
        """Local ids mean the same in batches of one generation, and nothing in those of another. Never 0; no two
        parsers of a program have the same."""

    @property
    def process_count(self) -> int: ...
    @property
    def name_count(self) -> int: ...
    @property
    def process_pids(self) -> Sequence[int]: ...
    @property
    def process_facts(self) -> Sequence[tuple[int, int, int]]:
        """Format 2: (uid, cgroup, pid of the parent or 0) when first seen. Empty in format 1."""
    @property
    def ended(self) -> list[tuple[int, int]]:
        """Format 2: (local process id, time in microseconds of its last line) of the processes that ended in this
        batch: by their exit, because another has their pid, or by `Parser.end`."""
    @property
    def wide(self) -> bool:
        """Whether the calls are of format 2: then there are the columns below that may be None."""
    @property
    def process_starts(self) -> Sequence[int]:
        """With the pid, the process's identity. Format 2: microseconds since boot, in whole ticks of 10 ms, as /proc
        has it (plus 1 for each earlier process with its pid and tick). Format 1: 0, or of a pid reused after `end` the
        time of its first call, microseconds since the epoch."""
    @property
    def names(self) -> Sequence[bytes]: ...
    @property
    def seconds(self) -> list[tuple[int, int, int]]:
        """(second since the epoch, events, rejected lines) of each second that has any, ascending. A rejected line
        counts to the second of the event before it, be that in an earlier batch; to second 0 where there was none."""
    @property
    def losses(self) -> list[tuple[int, int]]:
        """What the tap said it lost: (time in microseconds of the last event before, events)."""
    @property
    def call(self) -> memoryview:
        """uint8, an index into CALLS."""
    @property
    def pid(self) -> memoryview:
        """uint32."""
    @property
    def process(self) -> memoryview:
        """uint32, local process id."""
    @property
    def name(self) -> memoryview:
        """uint32, local name id."""
    @property
    def time_us(self) -> memoryview:
        """uint64."""
    @property
    def length(self) -> memoryview:
        """uint64, bytes asked for."""
    @property
    def freed(self) -> memoryview | None:
        """uint64, bytes given back."""
    @property
    def errno(self) -> memoryview | None:
        """uint16, 0: granted."""
    @property
    def kind(self) -> memoryview | None:
        """uint8, an index into KINDS."""
    @property
    def vm(self) -> memoryview | None:
        """uint64, the process's mapped bytes after the call."""
    @property
    def resident(self) -> memoryview | None:
        """uint64, its bytes in RAM after the call."""
    def pack(self) -> bytes:
        """All of it as bytes, with the processes and names that it refers to and no others, for `unpack`."""
    @staticmethod
    def unpack(data: Buffer) -> Batch:
        """The batch that `pack` was called on: of a generation of its own, with local ids of its own.

        ValueError, with what is wrong and where, for bytes that no batch can have made. Bytes that changed into another
        possible batch's are not noticed: whoever stores them adds a checksum.
        """
    def take_rejected(self, dropped: Batch) -> None:
        """The rejected lines of an earlier batch, which no store has seen and none will, count in this one's seconds,
        which none has seen yet."""
    def take_ended(self, dropped: Batch) -> None:
        """The processes that ended in an earlier batch, which no store has seen and none will, end with this one,
        which none has seen yet."""
    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def events(self, process_ids: Buffer, name_ids: Buffer, first_id: int) -> ArrowTable:
        """The calls with a store's ids: id, time_us uint64, process_id, name_id uint32, call uint8, length uint64;
        if `wide`: freed uint64, errno uint16, kind uint8, vm uint64 too.

        The maps are uint32 arrays, map[local id] = the store's id; ids count up from `first_id`. ValueError for a
        map that is too short.
        """
    def events_text(self, process_ids: Buffer, name_ids: Buffer, first_id: int) -> memoryview:
        """The calls as LOAD DATA text, in few bytes a call: a tab between fields, \\N for NULL, a newline after each
        row, in the order of time; which columns, `events_columns` says. Of bytes, read only; the memory is used for
        another text when nobody has this one any more.

        `what` is the call, and in format 2 also 16 times the index of its kind plus 1, and 128 where `freed` is the
        length in whole pages of 4,096 bytes. A length beyond 24 bits or a name id beyond 16 is NULL and stands in
        `length_wide` or `name_wide`, a vm that is not some 32 bits of whole pages in `vm_wide` and not in `vm_pages`.
        `errno` is NULL where it is 0, `freed` where it is 0 or `what` says it.
        """
    def events_columns(self, name_ids: Buffer) -> tuple[str, ...]:
        """The columns of `events_text`, in its order: id, time_us, process_id, name_id, what, length, and those of
        vm_pages, vm_wide, errno, freed, length_wide, name_wide that are not NULL in every row."""
    def activity(self, process_ids: Buffer, name_ids: Buffer) -> ArrowTable:
        """Sums of this batch by process and second: process_id, name_id uint32, second uint64 (since the epoch),
        requested, released decimal128(38, 0) (bytes), requests, releases uint32, first_us, last_us uint64; if `wide`:
        failed uint32, vm, resident uint64 (bytes, as of the second's last call) too.

        A pair of process and second may occur more than once.
        """
    def sums_text(self, process_ids: Buffer, step: int) -> bytes:
        """Sums of this batch by process and step of `step` seconds, as rows of SQL values, ascending by step and
        process, a comma and a newline after each: begin of the step in seconds since the epoch, process_id, requested,
        released (bytes), requests, releases; format 2: failed, vm, resident, held_us too, NULL where not known.
        ValueError for a step of 0."""
    def process_sums_text(self, process_ids: Buffer, name_ids: Buffer) -> bytes:
        """The same for the whole batch, ascending by process: process_id, the latest name_id, first_us, last_us, and
        from `requested` on as above."""
    def counts(self) -> dict[str, int]:
        """How many calls there are of each kind: {name: calls}, for all of CALLS."""
    def times(self, below: int) -> tuple[int, int, int] | None:
        """(time_us of the first, of the last, of the last one before `below`, else 0), None for no call at all."""
