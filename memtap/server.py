"""The HTTP server: uvicorn on a socket bound beforehand, in the calling thread or one of its own.

Signals are the caller's. `stop` ends live streams first, then open answers, and after `GRACE_S` whatever
connection is left: within two seconds, whoever is connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import resource
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import h11  # uvicorn's, as it is told below
import uvicorn

from memtap.errors import MemtapError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

GRACE_S = 0.7  # for open answers once the server stops
HEAD_S = 10.0  # for a request to come in whole, once its connection is there or it has begun
UNREAD_MS = 30_000  # a client that takes nothing sent to it for so long is cut off
CONNECTIONS = 4000  # at once; more are answered 503
DESCRIPTORS = CONNECTIONS + 500  # wanted for them and for the rest of the program
# A list of processes is ten thousands of objects that refer to no object which refers to them: looking through them for
# such circles again and again takes a third of the time that reading them takes, and every thread waits meanwhile.
YOUNG_OBJECTS = 200_000  # more than are made for one answer (Python's own: 700)
SWITCH_S = 0.0005  # how long a thread that reads a store may keep the event loop waiting (Python's own: 5 ms)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. `port` 0 takes any free one. Raises MemtapError where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise MemtapError(
            f"cannot listen on {host!r}: {_reason(error)}; give --listen an address of this machine"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection. Covers a client that acknowledges but never reads, too: then the
        # window stays shut, and the kernel counts its probes against the same time.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _cannot_bind(host, port, error) from error
    listener.setblocking(False)
    return listener


def _cannot_bind(host: str, port: int, error: OSError) -> MemtapError:
    if error.errno == errno.EADDRINUSE:
        return MemtapError(
            f"port {port} on {host} is in use, perhaps by another memtap: stop that one, "
            "or choose another with --port (0 takes any free one)"
        )
    if error.errno == errno.EACCES:
        return MemtapError(f"port {port} on {host} needs privileges: choose one above 1023 with --port")
    return MemtapError(
        f"cannot listen on {host} port {port}: {_reason(error)}; give --listen an address of this machine"
    )


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return (text or str(error)).lower()


def _allow_descriptors() -> None:
    """As many open files as the connections need, as far as the system lets us without asking anybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server:
    """Serves one application, made by `memtap.api.create_app`, until stopped. Used once."""

    def __init__(self, app: Starlette, listener: socket.socket, *, head_s: float = HEAD_S) -> None:
        """`head_s`: a client that has not sent its request within this time is cut off."""
        self._listener = listener
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="on",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        # Its announcements are not ours; what fails inside it is still logged.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._uvicorn = _Uvicorn(config, app, head_s)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def run(self) -> None:
        """Serve in this thread until `stop` is called, from a signal handler or another thread."""
        _allow_descriptors()
        sys.setswitchinterval(SWITCH_S)
        gc.set_threshold(YOUNG_OBJECTS)
        try:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                runner.run(self._uvicorn.serve([self._listener]))
        finally:
            self._uvicorn.ended.set()
            self._listener.close()

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self._run_in_thread, name="memtap-http", daemon=True)
        self._thread.start()

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except BaseException as error:  # told to whoever waits
            self._failure = error

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Return once requests are answered. Raises MemtapError where the server ended or took too long."""
        if not self._uvicorn.ready.wait(timeout_s) or self._uvicorn.ended.is_set():
            why = f": {self._failure!r}" if self._failure else ""
            raise MemtapError(f"the HTTP server on port {self.port} did not start{why}")

    def stop(self) -> None:
        """Ask the server to end; returns at once. Safe in a signal handler, and to repeat."""
        self._uvicorn.should_exit = True

    def join(self, timeout_s: float = 2.0) -> bool:
        """Wait for the thread that `start` made; whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: Starlette, head_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._head_s = head_s
        self._watch: asyncio.Task[None] | None = None
        self.ready = threading.Event()
        self.ended = threading.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the caller."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._watch = asyncio.create_task(self._cut_off_the_slow())
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.live.close()
        if self._watch is not None:
            self._watch.cancel()
        asyncio.get_running_loop().call_later(GRACE_S, self._cut_off)
        await super().shutdown(sockets)

    async def _cut_off_the_slow(self) -> None:
        """uvicorn waits for a request for ever once its first byte is there: a few thousand such connections would be
        all that it takes."""
        since: dict[object, tuple[float, int]] = {}
        while True:
            await asyncio.sleep(self._head_s / 4)
            now_s = asyncio.get_running_loop().time()
            owed = {one: _requests(one) for one in self.server_state.connections if _owes_a_request(one)}
            since = {
                one: since[one] if one in since and since[one][1] == begun else (now_s, begun)
                for one, begun in owed.items()
            }
            for one, (first_s, _) in since.items():
                if now_s - first_s >= self._head_s:
                    one.transport.abort()  # type: ignore[attr-defined]

    def _cut_off(self) -> None:
        """Drop answers that wait for the store, and connections whose client does not take the rest of one."""
        self._app.state.snapshots.give_up()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _owes_a_request(connection: Any) -> bool:
    """Whether some of a request, its head or its body, is still to come."""
    return connection.conn.their_state in (h11.IDLE, h11.SEND_BODY)


def _requests(connection: Any) -> int:
    """Tells one request of a connection from the next."""
    return id(connection.cycle)
