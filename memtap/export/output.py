"""Where the bytes go: a file that appears when it is whole, or standard output."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from memtap.errors import MemtapError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20


@contextmanager
def target(path: str, standard_output: int) -> Iterator[int]:
    """A file descriptor to write to. A file is for its owner's eyes, and put in its place at the end of the block."""
    if path == "-":
        yield standard_output
        return
    wanted = Path(path)
    try:
        fd, made = tempfile.mkstemp(prefix=f".{wanted.name}.", dir=wanted.parent)
    except OSError as error:
        raise _cannot(path, error) from error
    try:
        yield fd
        os.fsync(fd)
        Path(made).replace(wanted)
    except OSError as error:
        Path(made).unlink(missing_ok=True)
        raise _cannot(path, error) from error
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _cannot(path: str, error: OSError) -> MemtapError:
    return MemtapError(f"cannot write {path}: {(error.strerror or str(error)).lower()}; choose another --out FILE")


class Pipe:
    """What is written to `path` comes out at a file descriptor, copied by a thread. The writer knows only paths."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._reading, self._writing = os.pipe()
        self._failure: OSError | None = None
        self.written = 0  # bytes
        self._thread = threading.Thread(target=self._copy, name="memtap-export", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self._writing}"

    def finish(self) -> None:
        """All is written. Raises the OSError of whoever took the bytes: BrokenPipeError where nobody reads."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _copy(self) -> None:
        try:
            while data := os.read(self._reading, _CHUNK):
                write_all(self._fd, data)
                self.written += len(data)
        except OSError as error:
            self._failure = error
        finally:
            with suppress(OSError):
                os.close(self._reading)  # the writer gets EPIPE


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
