"""One file of a spool: records one after the other, appended by one thread and read by another."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memtap.spool.record import SALT_BYTES, SIZE, VERSION, Encoded, Entry, Head, entry_of, head_of

MAGIC = b"memtap spool %3d\n" % VERSION  # for people and file(1); every record has its version itself
_NAME = re.compile(r"([0-9]{8,})-([0-9a-f]{16})\.spool")
_STEP = 1 << 20  # bytes looked at at a time by a reader that has lost its place
_SECTOR = 4096  # what a disk fails to read at a time


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record. `head`: of a record whose rest is damaged so far that its stream is not known."""

    file: str
    bytes: int
    head: Head | None = None
    all_of_it: bool = False  # of the file: nothing in it could be read


class Segment:
    """A file in a spool's folder. `size` bytes of it are whole: a record is appended as a whole or not at all."""

    def __init__(self, path: Path, number: int, salt: bytes, size: int, fd: int = -1) -> None:
        self.path = path
        self.number = number
        self.salt = salt
        self.size = size
        self.batches = 0
        self.first_us = 0  # of its oldest call
        self._fd = fd

    @classmethod
    def create(cls, folder: Path, number: int) -> Segment:
        """A new file. Raises OSError, and leaves none then."""
        salt = secrets.token_bytes(SALT_BYTES)
        path = folder / f"{number:08}-{salt.hex()}.spool"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = cls(path, number, salt, 0, fd)
        try:
            segment._write([MAGIC])
        except OSError:
            segment.remove()
            raise
        return segment

    @classmethod
    def found(cls, path: Path) -> Segment | None:
        """A file that was there before; None where it is not one of a spool. Raises OSError."""
        name = _NAME.fullmatch(path.name)
        if not name:
            return None
        return cls(path, int(name[1]), bytes.fromhex(name[2]), path.stat().st_size)

    def append(self, record: Encoded) -> None:
        """Raises OSError, and is as before then."""
        self._write(record.pieces(self.salt))
        self.count(record.head)

    def count(self, head: Head) -> None:
        if head.kind == "batch":
            self.batches += 1
            if head.events and not self.first_us:
                self.first_us = head.first_us

    def discount(self, head: Head) -> None:
        """It need not wait any more."""
        if head.kind == "batch":
            self.batches -= 1
            self.first_us = (head.last_us or self.first_us) if self.batches else 0

    def sync(self) -> None:
        """What was appended survives the loss of power. Raises OSError."""
        if self._fd >= 0:
            os.fdatasync(self._fd)

    def remove(self) -> None:
        """Gives the file up."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def next_at(self, at: int) -> tuple[Entry | Damage, int]:
        """What stands at this offset, below `size`, and where the next one begins. Raises for nothing in the file."""
        if at == 0:
            if self._read(0, len(MAGIC)) == MAGIC:
                at = len(MAGIC)
            if at >= self.size:
                return Damage(self.path.name, 0), self.size
        begun = at
        if not (head := self._head(at)):
            at = self._find(at + 1)
            whole_file = begun <= len(MAGIC) and at >= self.size
            return Damage(self.path.name, at - begun, all_of_it=whole_file), at
        entry = entry_of(head, self._read(at + SIZE, head.meta_bytes), self._payload(at, head))
        end = at + head.bytes
        if entry is None or not entry.whole:
            end = self._find(at + SIZE)  # bytes may have been taken out of this one, or put in
            if entry is None:
                return Damage(self.path.name, end - begun, head), end
        return entry, end

    def heads(self) -> Iterator[Head]:
        """Of all records that seem whole, without reading the rest of them. Raises OSError where the file cannot be
        opened, though it is there; from then on it is open."""
        at = 0
        while at < self.size:
            head = self._head(at)
            if head and at + head.bytes <= self.size:
                yield head
                at += head.bytes
            else:
                at = self._find(at + (SIZE if head else 1))

    def _payload(self, at: int, head: Head) -> bytes:
        return self._read(at + SIZE + head.meta_bytes, head.payload_bytes)

    def _head(self, at: int) -> Head | None:
        return head_of(self._read(at, SIZE), self.salt)

    def _find(self, at: int) -> int:
        """Where the next record begins, at this offset or later; `size` where none does."""
        while at < self.size:
            data = self._read(at, _STEP) or self._read(at, _SECTOR) or bytes(_SECTOR)
            found = data.find(self.salt)
            while found >= 0:
                if self._head(at + found):
                    return at + found
                found = data.find(self.salt, found + 1)
            at += max(1, len(data) - SALT_BYTES + 1)
        return self.size

    def _read(self, at: int, size: int) -> bytes:
        """Fewer bytes where the file is shorter than it was; none where they cannot be read."""
        if self._fd < 0 and not self._opened():
            return b""
        try:
            return os.pread(self._fd, min(size, max(0, self.size - at)), at)
        except OSError:
            return b""

    def _opened(self) -> bool:
        """False where the file has gone. Raises OSError where it may be read another time, or by another user."""
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EIO):
                raise
            return False
        return True

    def _write(self, pieces: list[bytes]) -> None:
        data = memoryview(b"".join(pieces))
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._fd, data[written:], self.size + written)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)
