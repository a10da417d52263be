"""A DuckDB file that this process owns: opened, shared by its threads, opened again after it failed."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

import duckdb

from memtap.errors import StoreAway, StoreError
from memtap.stores.gate import Gate
from memtap.stores.local_ids import Pids

# A daemon beside the work that it watches: each statement runs in the thread that asks, and the memory is what sorting
# and grouping may use before they spill. A row group is written as soon as it is full. The log is what must be read
# again after a crash: half a second at most. Extensions are never fetched from anywhere. Of the two threads that
# DuckDB is told of neither is its own: it then writes a full row group while rows are inserted, which several threads
# may do at a time, and not at the commit, for which all others wait. A checkpoint gives back row groups of which
# nothing is left, but joins none that have become small: a tenth of a second of work, for which batches would wait.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "external_threads": 2,
    "memory_limit": "32MB",
    "write_buffer_row_group_count": 1,
    "checkpoint_threshold": "16MB",
    "max_vacuum_tasks": 0,
    "auto_checkpoint_skip_wal_threshold": 1 << 40,  # no commit is a checkpoint, however much it holds
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

READ_MEMORY = "40MB"  # what reads ask for again and again stays in memory, too
JOINED_AT_ONCE = 100  # row groups of a table

_M_ARENA_MAX = -8  # of glibc's malloc.h

# The two after which DuckDB refuses everything until the file is opened again.
_BROKEN = (duckdb.FatalException, duckdb.InternalException)


Spans = dict[tuple[int, int], tuple[int, int]]
"""By stream and first ordinal of a batch, the microseconds of its first and last call."""


class Knowing(Protocol):
    """A writer, which knows by heart what is in the file."""

    def streams(self) -> Collection[int]:
        """Those that it has opened."""

    def let_go(self) -> None:
        """Of everything else, in the writers' turn."""


class Written:
    """What the writers of one file in this process share: whose turn it is, and what needs no asking again.

    Batches only append, one after another: that is the `turn`. What is appended is changed by whoever holds `folding`,
    and a batch waits for nobody there. Who takes both takes `folding` first.
    """

    def __init__(self) -> None:
        self.turn = threading.RLock()
        self.folding = threading.RLock()
        self.gate = Gate()  # inside are the transactions of batches: no checkpoint meanwhile
        self.next_batch: dict[int, int] = {}  # by stream: no batch has this number or a later one
        self.next_id: dict[str, int] = {}  # by table
        self.pids: dict[int, Pids] = {}  # by host: whoever has another one is not in the store
        self.commits = 0  # while it stays the same, so does all that can be read
        self.grown = 0  # calls committed since the file was opened
        self.part: int | None = None  # into which batches go, once known
        self.hidden_part = -1  # what is loaded into this part or one before it must not be committed any more
        self.pending = 0  # rows of `activity`, and
        self.pending_calls = 0  # the calls of `fresh_batches`, in so far as
        self.pending_known = False
        self.folded = False  # since what was folded was settled
        self.spans: Spans = {}  # of those batches, if this process has written them
        self.read = False  # somebody in this process does
        self.housekeeping = threading.Lock()
        self.writers: WeakSet[Knowing] = WeakSet()
        self.names_used: set[int] | None = None  # by batches committed since somebody looks for unused ones
        self.forget_names = True  # since the last look, something was dropped that had a name
        self.names_again_s = 0.0  # monotonic: not before that

    def open_streams(self) -> set[int]:
        return {number for writer in list(self.writers) for number in writer.streams()}

    def forget(self) -> None:
        """After a transaction that failed, or may have."""
        self.next_batch.clear()
        self.next_id.clear()
        self.pids.clear()
        self.pending_known = False


# Two stores of this process may have the same file open; another process cannot.
_written: WeakValueDictionary[str, Written] = WeakValueDictionary()
_finding = threading.Lock()


def _written_of(path: Path) -> Written:
    with _finding:
        key = str(path.resolve())
        found = _written.get(key)
        if found is None:
            found = _written[key] = Written()
        return found


def _share_one_arena() -> None:
    """What one thread of an ingest allocates, another one frees: in arenas of their own, as glibc gives threads, it
    would stay unused there, seven megabytes in all. DuckDB's own allocator is another."""
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


class Database:
    """One open file. Every use takes a connection of its own, so any number of threads may."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url
        self._lock = threading.Lock()
        self.written = _written_of(path)
        _share_one_arena()
        self._root: duckdb.DuckDBPyConnection | None = self._open()
        self._sessions = 0  # that have a connection
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for this block. What DuckDB raises in it leaves as StoreAway or StoreError."""
        session = Session(self)
        try:
            with session.using() as connection:
                yield connection
        finally:
            session.close()

    def connect(self) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
        """A new connection, to be told of to `disconnected`; and the one that keeps the file open meanwhile."""
        with self._lock:
            if self._closed:
                raise StoreError(f"store {self._url} is closed")
            if self._root is None:
                self._root = self._open_again()
            cursor = self._root.cursor()
            self._sessions += 1
            return cursor, self._root

    def disconnected(self) -> None:
        with self._lock:
            self._sessions -= 1

    def reopen(self) -> bool:
        """Close the file and open it again, some hundredths of a second in all: DuckDB then has in memory only what
        is asked for, and not all that it knows of each row group written since it was opened, 40 kB of each. False,
        and nothing is done, while anybody has a connection."""
        with self._lock:
            if self._sessions or self._closed or self._root is None:
                return False
            self.written.grown = 0
            self._root.close()
            self._root = None
            with suppress(StoreError):  # as it will be said to whoever asks next
                self._root = self._open()
            return True

    def failed(self, error: duckdb.Error, root: duckdb.DuckDBPyConnection) -> StoreError:
        """What to raise instead of what DuckDB raised."""
        if isinstance(error, _BROKEN) or "database has been invalidated" in str(error):
            self._abandon(root)
        return self._said(error)

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As `connection`, committed at the end of the block or not at all."""
        with self.connection() as connection:
            connection.begin()
            try:
                yield connection
                connection.commit()
                self.written.commits += 1
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As `transaction`, and no other writer of this file writes meanwhile."""
        with self.written.turn:
            try:
                with self.transaction() as connection:
                    yield connection
            except BaseException:
                self.written.forget()
                raise

    @contextmanager
    def changing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As `transaction`, and nobody else changes meanwhile what was appended before; batches go on."""
        with self.written.folding, self.transaction() as connection:
            yield connection

    @contextmanager
    def letting_go(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As `writing` and `changing`; what writers know is no longer relied upon."""
        with self.written.folding, self.written.turn:
            for writer in list(self.written.writers):
                writer.let_go()
            with self.writing() as connection:
                yield connection

    @property
    def memory_limit(self) -> str:
        return READ_MEMORY if self.written.read else str(SETTINGS["memory_limit"])

    def read(self) -> None:
        """Somebody in this process does, from now on."""
        self.written.read = True
        with self.connection() as connection:
            connection.execute(f"SET GLOBAL memory_limit = '{self.memory_limit}'")

    def checkpoint(self, *, joining: bool = False) -> None:
        """Write what the log holds into the file, and let blocks that nothing refers to be used again. The next
        batch waits for it: DuckDB lets nobody begin meanwhile. `joining`: row groups that have become small, too."""
        self.written.gate.between(lambda: self._checkpoint(JOINED_AT_ONCE if joining else 0))

    def _checkpoint(self, joined: int) -> None:
        with self.written.folding, self.written.turn, self.connection() as connection:
            connection.execute(f"SET GLOBAL max_vacuum_tasks = {joined}")
            try:
                connection.checkpoint()
            finally:
                connection.execute(f"SET GLOBAL max_vacuum_tasks = {SETTINGS['max_vacuum_tasks']}")

    def size(self) -> tuple[int, int]:
        """Bytes on disk, and those of them that are in use."""
        with self.connection() as connection:
            block, used = connection.execute("SELECT block_size, used_blocks FROM pragma_database_size()").fetchall()[0]
        data, log = _bytes(self._path), self.log_bytes()
        return data + log, int(block) * int(used) + log

    def log_bytes(self) -> int:
        return _bytes(self._path.with_name(f"{self._path.name}.wal"))

    def close(self) -> None:
        """Write what the log holds into the file and let go of it."""
        with self._lock:
            self._closed = True
            if self._root is not None:
                self._root.close()
                self._root = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            if not self._path.exists():
                _make(self._path)
            root = duckdb.connect(str(self._path), config=SETTINGS)
            root.execute(f"SET GLOBAL memory_limit = '{self.memory_limit}'")
            return root
        except duckdb.Error as error:
            raise self._not_opened(error) from error
        except OSError as error:
            raise StoreError(
                f"store {self._url} cannot be made: {error.strerror}: check the path, its permissions and free space"
            ) from error

    def _open_again(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._open()
        except StoreError as error:  # it was open before, so it may be again
            raise StoreAway(str(error)) from error

    def _abandon(self, root: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            if self._root is root:
                self._root = None
        root.close()

    def _not_opened(self, error: duckdb.Error) -> StoreError:
        text = str(error)
        if "lock" in text:
            holder = re.search(r"held in (\S+) \(PID (\d+)\)", text)
            who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
            return StoreError(
                f"store {self._url} is in use by {who}, and one process owns a DuckDB file:"
                " stop that one, read through its dashboard, or use another file or MySQL"
            )
        if "not a valid DuckDB database" in text:
            return StoreError(f"store {self._url}: this file is no DuckDB database: name another, or move it away")
        if isinstance(error, duckdb.IOException):
            return StoreError(f"store {self._url} cannot be opened: {_line(error)}: check the path and its permissions")
        return StoreError(f"store {self._url} cannot be opened: {_line(error)}")

    def _said(self, error: duckdb.Error) -> StoreError:
        text = f"store {self._url}: {_line(error)}"
        if isinstance(error, duckdb.TransactionException):
            return StoreAway(f"{text}: another writer was first, try again")
        if isinstance(error, duckdb.OutOfMemoryException):
            return StoreAway(f"{text}: statements at the same time used up its memory or its disk, try again")
        if isinstance(error, (duckdb.IOException, *_BROKEN)):
            return StoreAway(f"{text}: check the disk's free space")
        return StoreError(text)


class Session:
    """A connection and its transaction. One thread's at a time; of no more use once `lost`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection, self._root = database.connect()
        self.lost = False
        self.rows = 0  # that its transaction has added to `activity`, and
        self.part = 0  # into which it has put its calls

    @contextmanager
    def using(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Its connection. What DuckDB raises in the block leaves as StoreAway or StoreError."""
        try:
            yield self._connection
        except duckdb.Error as error:
            raise self._database.failed(error, self._root) from error

    def commit(self) -> None:
        with self.using() as connection:
            connection.commit()
        self._database.written.commits += 1

    def roll_back(self) -> None:
        _roll_back(self._connection)

    def close(self) -> None:
        if not self.lost:
            self.lost = True
            self._connection.close()
            self._database.disconnected()


def _make(path: Path) -> None:
    """An empty database. One whose making was cut off is none, and would be in the way for ever: so it gets its name
    when it is whole."""
    with TemporaryDirectory() as folder:
        empty = Path(folder, "empty")
        duckdb.connect(str(empty), config=SETTINGS).close()
        data = empty.read_bytes()
    aside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else was first
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # a failed commit has rolled back already
        connection.rollback()


def _line(error: duckdb.Error) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]
