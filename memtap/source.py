"""Where bytes come from when no tap runs: a file, a gzip file, standard input."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING

from memtap.digest import blake2b
from memtap.errors import MemtapError
from memtap.header import MARK, Header, find
from memtap.names import display
from memtap.native import Batch, File, FormatError, Parser, Reader, Ring

if TYPE_CHECKING:
    from typing import BinaryIO

CHECK_BYTES = 4096  # hashed before a file's resumption point, to know the file again
CHUNK_BYTES = 1 << 20
RING_BYTES = 4 << 20
LONG_BYTES = 16 << 20  # of a file: two windows, below which a thread takes longer to begin than it saves
PEEK_BYTES = 64 << 10  # a header stands behind a few notices at most
_GZIP = b"\x1f\x8b"


def read(path: str | os.PathLike[str]) -> Batch:
    """All calls of a trace, gzip or not, as one Batch. Lines that are no calls are left out.

    Raises MemtapError where the file cannot be read. Memory: 29 bytes a call in format 1, 56 in format 2.
    """
    parser = Parser()
    with closing(open_source(os.fspath(path))) as source:
        try:
            with source.open() as file:
                while chunk := file.read(CHUNK_BYTES):
                    parser.feed(chunk)
        except (OSError, EOFError, zlib.error, FormatError) as error:
            raise unreadable(source.label, error) from error
    parser.finish()
    return parser.seal()


def unreadable(label: str, error: Exception) -> MemtapError:
    """The error that says what is wrong with a source and what to do."""
    from gzip import BadGzipFile  # that takes its time to load

    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    advice = "check the path and the disk under it"
    if isinstance(error, IsADirectoryError):
        reason, advice = "it is a folder", "name one file in it"
    elif isinstance(error, FileNotFoundError):
        reason, advice = "there is no such file", "check the path; - is standard input"
    elif isinstance(error, PermissionError):
        advice = "run memtap as a user who may read it"
    elif isinstance(error, EOFError):
        reason, advice = "the compressed file is cut off", "what came before is kept: get all of it and run this again"
    elif isinstance(error, BadGzipFile | zlib.error):
        reason, advice = f"the compressed file is damaged: {reason}", "get it again, and check it with gzip --test"
    elif isinstance(error, FormatError):
        advice = "record it again with memtap tap"
    return MemtapError(f"cannot read {label}: {reason}: {advice}")


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path as one line of text, whatever its bytes."""
    return display(os.fsencode(path))


def open_source(name: str) -> FileSource | PipeSource:
    """The file called `name`, or standard input for "-". Raises MemtapError where it cannot be read."""
    if name == "-":
        return PipeSource(0, "standard input")
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            os.close(fd)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise unreadable(shown_path(name), error) from error
    return FileSource(fd, name) if stat.S_ISREG(mode) else PipeSource(fd, shown_path(name))


class FileSource:
    """A regular file, gzip or not, read from any offset of its (decompressed) bytes.

    Opened once: what is put at its path meanwhile is another file.
    """

    tap = "file"
    regular = True

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._again = f"/proc/self/fd/{fd}"  # opens the same file, whatever its path names by now
        self.label = shown_path(path)
        self.compressed = os.pread(fd, 2, 0) == _GZIP
        self.stream_prefix = f"file:{os.path.realpath(path)}#"
        self.size = None if self.compressed else os.fstat(fd).st_size

    def close(self) -> None:
        os.close(self._fd)

    def open(self) -> BinaryIO:
        """The (decompressed) bytes from the beginning."""
        if not self.compressed:
            return open(self._again, "rb")  # noqa: PTH123
        import gzip

        return gzip.open(self._again, "rb")  # type: ignore[return-value]

    def check(self, offset: int) -> bytes:
        """What tells this file from another at the same path, for a reader that stopped at `offset`.

        A plain file: a hash of the bytes just before. A gzip file: of its own beginning, size and all, as it
        cannot grow. Empty where the file is shorter than `offset`: then nothing is known of it.
        """
        digest = blake2b(digest_size=16)
        try:
            if self.compressed:
                digest.update(f"{os.fstat(self._fd).st_size}:".encode())
                digest.update(os.pread(self._fd, CHECK_BYTES, 0))
                return digest.digest()
            before = self._before(offset)
        except OSError as error:
            raise unreadable(self.label, error) from error
        digest.update(before)
        return digest.digest() if len(before) == min(offset, CHECK_BYTES) else b""

    def is_continued_at(self, offset: int, check: bytes) -> bool:
        """Whether this is the file of which `check` was taken at `offset`."""
        return offset == 0 or (check != b"" and self.check(offset) == check)

    def resumption(self, offset: int) -> int:
        """Where to go on in a file that was read up to `offset`: there, or if the file ended in the middle of a line
        and has grown since, where that line begins."""
        if self.compressed or os.fstat(self._fd).st_size <= offset:
            return offset
        before = self._before(offset)
        return offset - len(before) + before.rfind(b"\n") + 1 if b"\n" in before or len(before) == offset else offset

    def _before(self, offset: int) -> bytes:
        start = max(0, offset - CHECK_BYTES)
        return os.pread(self._fd, offset - start, start)

    def header(self) -> Header | None:
        """The stream's header; None in format 1."""
        try:
            with self.open() as file:
                beginning = file.read(PEEK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(self.label, error) from error
        return find(beginning)[1] if MARK in beginning else None

    def bytes_from(self, offset: int) -> Drain | Mapped:
        """From `offset` on, for a parser to pull."""
        return Inflate(self, offset) if self.compressed else Mapped(self._fd, offset)


class PipeSource:
    """Standard input, a FIFO or a shell's `<(…)`: it cannot be read twice, so a run that is cut short cannot be
    continued, and what was read ahead belongs to the stream."""

    tap = "stdin"
    size = None
    regular = False

    def __init__(self, fd: int, label: str) -> None:
        self._fd = fd
        self.label = label
        self._ahead = b""

    def close(self) -> None:
        if self._fd:
            os.close(self._fd)

    def open(self) -> BinaryIO:
        """All of its bytes; once."""
        return open(self._fd, "rb", closefd=False)

    def header(self) -> Header | None:
        """The stream's header; None in format 1. Waits for the first line that says."""
        known, found = False, None
        try:
            while not known and len(self._ahead) < PEEK_BYTES and (chunk := os.read(self._fd, PEEK_BYTES)):
                self._ahead += chunk
                known, found = find(self._ahead)
        except OSError as error:
            raise unreadable(self.label, error) from error
        return found

    def bytes_from(self, _offset: int) -> Drain:
        return Read(self.open(), self._ahead)

    def check(self, _offset: int) -> bytes:
        return b""


class Mapped:
    """A plain file's bytes where the kernel has them: whoever pulls them reads the file. With a second processor, a
    thread has the next ones mapped meanwhile."""

    def __init__(self, fd: int, offset: int) -> None:
        self.pulled = File(fd, offset)
        worth = os.fstat(fd).st_size - offset >= LONG_BYTES and len(os.sched_getaffinity(0)) > 1
        self._ahead = Thread(target=self.pulled.map_ahead, name="memtap-ahead", daemon=True) if worth else None

    @property
    def error(self) -> Exception | None:
        """Why it ended early."""
        failed = self.pulled.error
        return OSError(failed, os.strerror(failed)) if failed else None

    def start(self) -> None:
        if self._ahead:
            self._ahead.start()

    def stop(self) -> None:
        self.pulled.stop()

    def join(self) -> None:
        if self._ahead:
            self._ahead.join()


class Drain(Thread):
    """A thread that fills a ring, from which they are pulled; `error` says why it ended early."""

    def __init__(self) -> None:
        super().__init__(name="memtap-reader", daemon=True)
        self.pulled = Ring(RING_BYTES)
        self.error: Exception | None = None

    def stop(self) -> None:
        """Ends the thread soon; what is in the ring can still be read."""
        self.pulled.stop()


class Read(Drain):
    """Plain bytes, `ahead` of them read before, by the native reader."""

    def __init__(self, file: BinaryIO, ahead: bytes) -> None:
        super().__init__()
        self.file = file
        self.pulled.write(ahead)
        self.reader = Reader(file.fileno(), self.pulled)

    def run(self) -> None:
        with self.file:
            if failed := self.reader.run():
                self.error = OSError(failed, os.strerror(failed))
            self.pulled.close()

    def stop(self) -> None:
        self.reader.stop()


class Inflate(Drain):
    """A gzip file, decompressed here."""

    def __init__(self, source: FileSource, offset: int) -> None:
        super().__init__()
        self.source = source
        self.offset = offset
        self.stopped = False

    def run(self) -> None:
        try:
            with self.source.open() as file:
                skip = self.offset  # in pieces, not by seek, which nothing could stop
                while skip and not self.stopped and (chunk := file.read(min(skip, CHUNK_BYTES))):
                    skip -= len(chunk)
                while not self.stopped and (chunk := file.read(CHUNK_BYTES)):
                    if self.pulled.write(chunk) < len(chunk):
                        break
        except Exception as error:  # whatever it is, the file was not read to its end
            self.error = error
        finally:
            self.pulled.close()

    def stop(self) -> None:
        self.stopped = True
        super().stop()
