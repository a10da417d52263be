"""A TCP proxy in front of a server's Unix socket, which cuts, holds or delays a conversation where a test wants it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Cut:
    """Where to cut: at the client's packet that holds `word`.

    `before`: it never reaches the server. `within`: it does, and so do `more` bytes of what the client sends next,
    before both sides are cut. `sent`: the server gets it and carries it out, and its answer goes nowhere. `held`: as
    `sent`, but the server gets it `hold_s` later, its session alive meanwhile. `answered`: the client has its answer.
    `then` is called at the moment of the cut. `skip`: so many of these packets are let by first.
    """

    word: bytes
    where: Literal["before", "within", "sent", "held", "answered"]
    more: int = 0
    hold_s: float = 0.0
    then: Callable[[], object] = lambda: None
    skip: int = 0


class Proxy:
    """Listens on a free port of 127.0.0.1. Cuts once, each time it is armed."""

    def __init__(self, server: Path) -> None:
        self.delay_s: Callable[[], float] | None = None  # of each packet, both ways
        self.refusing = False  # new connections
        self._cut: Cut | None = None
        self._skip = 0
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, database: str) -> str:
        # Without TLS, which would hide the statements.
        return f"mysql://root@127.0.0.1:{self.port}/{database}?tls_mode=DISABLED"

    def arm(self, cut: Cut) -> None:
        self._done.clear()
        self._skip = cut.skip
        self._cut = cut

    def disarm(self) -> None:
        self._cut = None

    def has_cut(self, timeout_s: float) -> bool:
        """Waits for the cut that it was armed for."""
        return self._done.wait(timeout_s)

    def cut_all(self) -> None:
        """Every conversation, wherever it is."""
        with self._lock:
            for each in self._sockets:
                _shut(each)

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        self.cut_all()
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                if self.refusing or server.connect_ex(str(self._server)):
                    client.close()
                    server.close()
                    continue
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                conversation = _Conversation(self, client, server)
                with self._lock:
                    self._sockets |= {client, server}
                thread = threading.Thread(target=conversation.run, daemon=True)
                self._threads.append(thread)
                thread.start()

    def take(self, before: bytes, data: bytes) -> Cut | None:
        """The cut that is to happen at this data: whoever gets it does it."""
        with self._lock:
            cut = self._cut
            if cut is None or cut.word not in before[1 - len(cut.word) :] + data:
                return None
            if self._skip:
                self._skip -= 1
                return None
            self._cut = None
            return cut

    def tell(self, cut: Cut) -> None:
        cut.then()
        self._done.set()

    def forget(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets -= set(sockets)
        for each in sockets:
            each.close()


class _Conversation:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._after_answer: Cut | None = None
        self._deaf = False  # the client gets no more answers

    def run(self) -> None:
        answers = threading.Thread(target=self._pass_answers, daemon=True)
        answers.start()
        with suppress(OSError):
            self._pass_questions()
        # What was sent last is carried out before the server notices that nobody listens.
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_WR)
        answers.join()
        self._proxy.forget(self._client, self._server)

    def _pass_questions(self) -> None:
        tail = b""  # of what came before: a word may come in two pieces
        while data := self._client.recv(1 << 16):
            self._wait()
            cut = self._proxy.take(tail, data)
            tail = data[-32:]
            if cut is None:
                self._server.sendall(data)
            elif cut.where == "answered":
                self._after_answer = cut
                self._server.sendall(data)
            else:
                self._do(cut, data)
                return

    def _do(self, cut: Cut, data: bytes) -> None:
        if cut.where == "within":
            self._server.sendall(data)
            left = cut.more
            while left > 0 and (data := self._client.recv(min(left, 1 << 16))):
                self._server.sendall(data)
                left -= len(data)
            self._proxy.tell(cut)
            _shut(self._client)
            _shut(self._server)
            return
        self._deaf = True  # from here on no answer gets through
        if cut.where == "sent":
            self._server.sendall(data)
        self._proxy.tell(cut)  # before the client notices: one that is to be killed must not end by itself
        _shut(self._client)
        if cut.where == "before":
            _shut(self._server)
        elif cut.where == "held":
            time.sleep(cut.hold_s)
            self._server.sendall(data)

    def _pass_answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(1 << 16):
                self._wait()
                if not self._deaf:
                    with suppress(OSError):
                        self._client.sendall(data)
                if cut := self._after_answer:
                    self._proxy.tell(cut)
                    break
        _shut(self._client)
        if self._after_answer:
            _shut(self._server)

    def _wait(self) -> None:
        if delay_s := self._proxy.delay_s:
            time.sleep(delay_s())


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(server: Path) -> Iterator[Proxy]:
    opened = Proxy(server)
    try:
        yield opened
    finally:
        opened.close()
