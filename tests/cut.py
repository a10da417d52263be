"""A Unix socket in front of a server's, which cuts a conversation where a test wants it cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Proxy:
    """Passes everything on until a client's packet contains `word`: that still reaches the server, and its answer
    is thrown away with the connection. Cuts once, unless armed again."""

    def __init__(self, path: Path, server: Path) -> None:
        self.path = path
        self.word = b""
        self.cut = 0
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                thread = threading.Thread(target=self._serve, args=(client, server))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        answers = threading.Thread(target=_pass_on, args=(server, client))
        answers.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self.word and self.word in data:
                    self.word = b""
                    self.cut += 1
                    client.shutdown(socket.SHUT_RDWR)  # first, so that no answer gets through
                    server.sendall(data)
                    server.settimeout(1)
                    break
                server.sendall(data)
        # What was sent last is carried out before the server notices that nobody listens.
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)
        answers.join()
        client.close()
        server.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            with suppress(OSError):
                target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(path: Path, server: Path) -> Iterator[Proxy]:
    opened = Proxy(path, server)
    try:
        yield opened
    finally:
        opened.close()
