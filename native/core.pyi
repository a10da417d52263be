"""The hot path: a tap's bytes to columns, without the GIL. DESIGN.md beside this file says how."""

from array import array
from collections.abc import Sequence
from typing import Any

FORMAT_1: int
CALLS: tuple[str, ...]
"""Name of each call code, as the line says it: ``CALLS[0] == "mmap2"``, ``CALLS[1] == "munmap"``."""

class Ring:
    """A bounded byte queue between one writing and one reading thread.

    Its memory is mapped twice in a row, so that a line never wraps; `capacity` is rounded up to pages.
    """

    def __init__(self, capacity: int = ..., *, drop: bool = False) -> None:
        """`drop`: where there is no room, whole lines are dropped and counted; else the writer waits."""
    capacity: int
    dropped_lines: int
    dropped_bytes: int
    def write(self, data: Any) -> int: ...
    def close(self) -> None:
        """No more will be written; the reading side sees the end once it is empty."""
    def pending(self) -> int: ...

class Reader:
    """Drains a file descriptor into a ring; `run` is a thread's whole life, without the GIL."""

    def __init__(self, fd: int, ring: Ring) -> None: ...
    bytes_read: int
    def run(self) -> int:
        """Until end of file or `stop`; closes the ring. Returns 0 or an errno."""
    def stop(self) -> None: ...

class Parser:
    """Bytes to columns, with the ledger of exact totals per process. One stream, one thread."""

    def __init__(self, *, rows: int = ..., first_ordinal: int = 0) -> None: ...
    lines: int
    events: int
    rejected: int
    notices: int
    lost: int
    consumed: int
    @property
    def rejected_by(self) -> dict[str, int]: ...
    @property
    def samples(self) -> list[bytes]: ...
    def feed(self, data: Any) -> None: ...
    def pull(self, ring: Ring, timeout_ms: int) -> int: ...
    def finish(self) -> None: ...
    def seal(self) -> Batch: ...
    def ledger(self) -> list[LedgerRow]: ...

class LedgerRow:
    pid: int
    name: bytes
    requested: int
    released: int
    requests: int
    releases: int
    first_us: int
    last_us: int

class ArrowTable:
    """Columns in Arrow's C layout; DuckDB, polars, pandas and pyarrow take it without copying."""

    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_schema__(self) -> object: ...

class Batch:
    """Calls as columns; never changes. Lengths in bytes, times in microseconds since the epoch.

    `process` and `name` in it are *local* ids, given in order of appearance by the parser that made it:
    local process id i is `process_pids[i], process_starts[i]`; local name id i is `names[i]`. The three
    tables belong to the parser, only ever grow, and hold at least `process_count` / `name_count` entries.
    """

    process_count: int
    name_count: int
    process_pids: array[int]
    process_starts: array[int]
    names: Sequence[bytes]
    rejected_by: dict[str, int]
    def __len__(self) -> int: ...
    # one typed, read-only memoryview a column, `len(batch)` items each
    call: memoryview  # uint8, an index into CALLS
    pid: memoryview  # uint32
    process: memoryview  # uint32, local process id
    name: memoryview  # uint32, local name id
    time_us: memoryview  # uint64
    length: memoryview  # uint64
    # for people and data frames: call, pid, process (the comm, binary), time_us, length
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_schema__(self) -> object: ...
    # for stores: local ids replaced through the two maps (uint32 arrays, map[local] = the store's id)
    def events(self, process_ids: array[int], name_ids: array[int], first_id: int) -> ArrowTable:
        """Columns id uint64 (first_id, first_id+1, …), time_us uint64, process_id uint32, name_id uint32,
        call uint8, length uint64."""
    def events_text(self, process_ids: array[int], name_ids: array[int], first_id: int) -> bytes:
        """The same as LOAD DATA text: tab between fields, newline after each row."""
    # sums of this batch alone by (process, whole second of its calls); a pair may occur more than once
    def activity(self, process_ids: array[int], name_ids: array[int]) -> ArrowTable:
        """Columns process_id uint32, name_id uint32 (the latest), second uint64 (since the epoch),
        requested and released decimal128(38, 0) (bytes), requests and releases uint32, first_us and
        last_us uint64."""
    def activity_text(self, process_ids: array[int], name_ids: array[int]) -> bytes:
        """The same as LOAD DATA text."""
