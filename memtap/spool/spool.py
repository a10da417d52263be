"""A bounded queue on disk: batches that a store does not take now, kept across restarts of memtap."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from memtap.errors import MemtapError
from memtap.spool.record import Entry, Item, encode
from memtap.spool.segment import Damage, Segment
from memtap.status import SpoolState
from memtap.stores.contract import Stream

SEGMENT_BYTES = 64 << 20  # a file is given back to the disk when all of it is in the store
SYNC_S = 1.0  # what power loss may take: what was appended in so long,
SYNC_BYTES = 16 << 20  # or so many bytes of it
RETRY_S = 1.0  # after the disk refused


class Spool:
    """Records in files of a folder, oldest first. One thread appends and syncs, one reads.

    A file is unlinked when a record of a later one, and so all of its own, is in the store. `limit`: bytes of all
    files together. Only `open` raises for what the disk does; later its refusals are `error`.
    """

    def __init__(self, folder: Path, limit: int, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.limit = limit
        self.error = ""  # why the disk took nothing
        self.full = False
        self.failures = 0  # of the disk
        self.damaged = 0  # places that could not be read
        self._segment_bytes = min(segment_bytes, max(1 << 16, limit // 8))
        self._segments: list[Segment] = []
        self.newest_us = 0  # when the last call was made of all that earlier memtaps left here; 0: they left none
        self._number = 0  # of the newest file
        self._current: Segment | None = None  # the one appended to
        self._read_at = 0  # in the first segment that is not read to its end
        self._reading = 0  # which one that is
        self._ahead = deque[tuple[Entry | Damage, Segment, int]]()  # read and not popped, each with its file and end
        self._files = threading.Lock()  # held while files come, go or grow
        self._unsynced = 0  # bytes
        self._unsynced_since = 0.0  # monotonic
        self._retry_at = 0.0  # monotonic
        self._lock_fd = -1

    def open(self) -> None:
        """Takes the folder for this process and finds what an earlier one left. Raises MemtapError where another
        process has it; a folder that cannot be made or read is an `error`, tried again later."""
        try:
            self._lock()
            found = sorted(filter(None, map(Segment.found, self.folder.iterdir())), key=lambda found: found.number)
            for segment in found:
                for head in segment.heads():
                    segment.count(head)
                    self.newest_us = max(self.newest_us, head.last_us)
        except OSError as error:  # what is there must not be taken for damaged
            self._refused(error)
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1
            return
        self.error = ""
        with self._files:
            self._segments = found
            self._number = found[-1].number if found else 0

    # -- the side that appends

    def append(self, stream: Stream, item: Item, *, small: bool = False) -> bool:
        """Takes an item; False where there is no room or the disk refuses. `small`: a little beyond the limit, too."""
        if time.monotonic() < self._retry_at or not (self._lock_fd >= 0 or self._opened()):
            return False
        record = encode(stream, item)
        size = record.head.bytes
        if self.bytes + size > self.limit + (self.limit // 16 if small else 0):
            self.full = True
            return False
        try:
            with self._files:
                self._room_for(size).append(record)
        except OSError as error:
            self._refused(error)
            return False
        self.full, self.error = False, ""
        if not self._unsynced:
            self._unsynced_since = time.monotonic()
        self._unsynced += size
        if self._unsynced >= SYNC_BYTES:
            self.sync()
        return True

    @property
    def sync_due_s(self) -> float | None:
        """In how many seconds `sync` is to be called; None: nothing is to be synced."""
        return max(0.0, self._unsynced_since + SYNC_S - time.monotonic()) if self._unsynced else None

    def sync(self) -> None:
        """What was appended survives the loss of power from now on."""
        self._unsynced = 0
        try:
            with self._files:
                if self._current:
                    self._current.sync()
        except OSError as error:  # the kernel may have forgotten what it could not write: never sync that file again
            self._current = None
            self._refused(error)

    # -- the side that reads

    def peek(self, after: int = 0) -> Entry | Damage | None:
        """The oldest record that was not popped, or so many after it; None: there is none."""
        while len(self._ahead) <= after:
            if not self._read():
                return None
        return self._ahead[after][0]

    def _read(self) -> bool:
        """One more record."""
        if self._ahead:
            _, segment, at = self._ahead[-1]
            number = self._segments.index(segment)
        else:
            number, at = self._reading, self._read_at
        while True:
            with self._files:
                if number >= len(self._segments):
                    return False
                segment = self._segments[number]
                end, last = segment.size, segment is self._current
            if at < end:
                found, at = segment.next_at(at)
                if isinstance(found, Entry) or found.bytes:
                    self._ahead.append((found, segment, at))
                    if isinstance(found, Damage) or not found.whole:
                        self.damaged += 1
                    return True
            elif last:
                return False
            else:
                number, at = number + 1, 0
            if not self._ahead:
                self._reading, self._read_at = number, at

    def pop(self) -> None:
        """What `peek` gave is in the store, or accounted for: files before it are no longer needed."""
        found, segment, self._read_at = self._ahead.popleft()
        self._reading = self._segments.index(segment)
        if isinstance(found, Entry):
            segment.discount(found.head)
        if self._reading:
            with self._files:
                self._give_up(self._reading)

    def release(self) -> bool:
        """All that `peek` gave, down to None, is in the store: the files may go. False where there is more to come."""
        if not self._files.acquire(blocking=False):
            return False  # somebody appends
        try:
            if self.unread:
                return False
            self._current = None
            self._give_up(len(self._segments))
            return True
        finally:
            self._files.release()

    def _give_up(self, count: int) -> None:
        """The first so many files. The caller holds `_files`."""
        for segment in self._segments[:count]:
            try:
                segment.remove()
            except OSError as error:
                self._refused(error)
        self._segments = self._segments[count:]
        self._read_at = self._read_at if self._reading >= count else 0
        self._reading = max(0, self._reading - count)

    # -- for anybody

    @property
    def unread(self) -> bool:
        """Whether `peek` may have something."""
        if self._ahead:
            return True
        segments = self._segments[self._reading :]
        return any(segment.size > (0 if at else self._read_at) for at, segment in enumerate(segments))

    @property
    def in_use(self) -> bool:
        """Whether it has files, read or not."""
        return bool(self._segments)

    @property
    def bytes(self) -> int:
        return sum(segment.size for segment in tuple(self._segments))

    @property
    def batches(self) -> int:
        """That wait, among them those that can turn out to be damaged."""
        return sum(segment.batches for segment in tuple(self._segments))

    @property
    def oldest_us(self) -> int:
        return next((segment.first_us for segment in tuple(self._segments) if segment.first_us), 0)

    @property
    def state(self) -> SpoolState:
        if self.error:
            return "failing"
        if self.full:
            return "full"
        return "spooling" if self.unread else "empty"

    def close(self) -> None:
        """Leaves what is in it for the next one; a folder that is empty goes."""
        if self._lock_fd < 0:
            return
        for segment in self._segments:
            segment.close()
        with suppress(OSError):  # it holds something
            self.folder.rmdir()
        os.close(self._lock_fd)
        self._lock_fd = -1

    def _room_for(self, size: int) -> Segment:
        if (current := self._current) and current.size + size > self._segment_bytes:
            self._current = None
            current.sync()
        if self._current is None:
            self.folder.mkdir(mode=0o700, exist_ok=True)  # somebody may have removed it
            self._current = Segment.create(self.folder, self._number + 1)
            self._number += 1
            self._segments.append(self._current)
            os.fsync(self._lock_fd)  # the file's name
        return self._current

    def _opened(self) -> bool:
        try:
            self.open()
        except MemtapError as error:
            self.error, self._retry_at = str(error), time.monotonic() + RETRY_S
        return self._lock_fd >= 0

    def _refused(self, error: OSError) -> None:
        self.failures += 1
        self.error = f"spool {self.folder}: {error.strerror or error}"
        self._retry_at = time.monotonic() + RETRY_S

    def _lock(self) -> None:
        while True:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), self.folder.stat()):
                    self._lock_fd = fd
                    return
            except BlockingIOError:
                holders = ", ".join(map(str, _holders(fd))) or "unknown"
                os.close(fd)
                raise MemtapError(
                    f"spool {self.folder} is in use by another memtap (process {holders}): stop that one,"
                    " or give this one a folder of its own with --spool DIR"
                ) from None
            except FileNotFoundError:  # whoever had it has just removed it
                pass
            os.close(fd)


def _holders(fd: int) -> Iterator[int]:
    """The processes that hold a lock on this file."""
    inode = os.fstat(fd).st_ino
    try:
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return
    for fields in map(str.split, locks):
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
            yield int(fields[4])
