"""A store that was away when memtap started: its writer and its reader, made once it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from memtap.stores.contract import Cursor, Reader, SealedBatch, Stream, Writer

_OWN = 0  # what the stream is called that began without the store, which counts its streams from 1


class LateWriter:
    """A Writer that opens the store when something is to be stored. The first stream asked for is a new one: it begins
    at once. One thread's."""

    def __init__(self, opened: Callable[[], Writer]) -> None:
        """`opened` makes the store ready and gives its writer; raises StoreAway or StoreError, and is then asked
        again."""
        self._open = opened
        self._own: Stream | None = None
        self._own_no = _OWN
        self._writer: Writer | None = None

    def open_stream(self, stream: Stream) -> Cursor:
        if self._own is None:
            self._own = stream
            return Cursor(_OWN)
        return self._ready().open_stream(stream)

    def last_stream(self, prefix: str) -> tuple[str, Cursor] | None:
        return self._ready().last_stream(prefix)

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        if not self._writer or self._own_no == _OWN:
            return False
        return self._writer.ahead(self._own_no if stream_no == _OWN else stream_no, batch)

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        writer = self._ready()
        return writer.write(self._number(writer, stream_no), batch)

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        writer = self._ready()
        writer.end_processes(self._number(writer, stream_no), pids, ended_us)

    def close(self) -> None:
        if self._writer:
            self._writer.close()

    def _ready(self) -> Writer:
        if self._writer is None:
            self._writer = self._open()
        return self._writer

    def _number(self, writer: Writer, stream_no: int) -> int:
        """The store's. The own stream gets its number when it is used: after those that wait in the spool from before,
        as calls are in the order of their streams' numbers."""
        if stream_no != _OWN:
            return stream_no
        if self._own and self._own_no == _OWN:
            self._own_no = writer.open_stream(self._own).stream_no
        return self._own_no


class LateReader:
    """A Reader that opens the store at the first question that it answers; before, each one raises StoreAway."""

    def __init__(self, opened: Callable[[], Reader]) -> None:
        """`opened` gives the store's reader; raises StoreAway or StoreError, and is then asked again."""
        self._open = opened
        self._reader: Reader | None = None
        self._opening = Lock()

    def known_version(self) -> str | None:
        return self._reader.known_version() if self._reader else None

    def close(self) -> None:
        if self._reader:
            self._reader.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*arguments: object, **named: object) -> object:
            with self._opening:
                if self._reader is None:
                    self._reader = self._open()
            return getattr(self._reader, name)(*arguments, **named)

        return ask
