"""The stream of snapshots: one clock, any number of pages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.responses import Response

from memtap.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from memtap.api.pulse import Pulse
    from memtap.api.settings import Settings

_log = logging.getLogger(__name__)

HEARTBEAT = b": still here\n\n"
RETRY_MS = 2000  # after which a page whose stream broke comes back


class Slot:
    """What one page has not taken yet: the latest snapshot or nothing. Never a queue."""

    def __init__(self, event: bytes) -> None:
        self._event: bytes | None = event
        self._closed = False
        self._news = asyncio.Event()
        self._news.set()

    def put(self, event: bytes) -> None:
        self._event = event
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()

    async def take(self, patience_s: float) -> bytes | None:
        """The latest event, a heartbeat after so long without one, or None once closed."""
        try:
            async with asyncio.timeout(patience_s):
                await self._news.wait()
        except TimeoutError:
            return HEARTBEAT
        if self._closed:
            return None
        event, self._event = self._event, None
        self._news.clear()
        return event or HEARTBEAT


class Live:
    """Sends each tick's snapshot to every page that listens. Belongs to one event loop."""

    def __init__(self, pulse: Pulse, settings: Settings) -> None:
        self._pulse = pulse
        self._settings = settings
        self._slots: set[Slot] = set()
        self._closed = False

    @property
    def clients(self) -> int:
        return len(self._slots)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            try:
                self._publish(sse(await self._pulse.tick()))
            except Exception:  # a defect must not stop the clock for good
                _log.exception("a snapshot could not be made")
            due_s = max(due_s + self._settings.tick_s, loop.time())  # a late tick is not made up for
            await asyncio.sleep(due_s - loop.time())

    def _publish(self, event: bytes) -> None:
        for slot in self._slots:
            slot.put(event)

    def close(self) -> None:
        """End every stream now: a server waits for its answers before it stops."""
        self._closed = True
        for slot in self._slots:
            slot.close()

    async def endpoint(self, request: Request) -> Response:
        if request.query_params:
            raise Problem(
                400,
                "unknown parameter",
                parameter=next(iter(request.query_params)),
                allowed="no parameters here",
            )
        if self._closed or len(self._slots) >= self._settings.live_clients:
            raise Problem(
                503,
                "too many pages listen, or memtap is stopping",
                allowed=f"{self._settings.live_clients} at once",
                headers={"Retry-After": "5"},
            )
        await self._pulse.refresh()
        return EventStream(self, Slot(sse(self._pulse.document())))

    async def serve(self, slot: Slot, receive: Receive, send: Send) -> None:
        """One page's stream, until it goes away, falls silent or the server stops."""
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: slot.close())
        self._slots.add(slot)
        try:
            await self._feed(slot, send)
        except TimeoutError:
            # Nothing is kept for a page that does not read. Its connection is the kernel's to end, which
            # memtap.server asks for with TCP_USER_TIMEOUT.
            self._slots.discard(slot)
            await gone
        finally:
            self._slots.discard(slot)
            gone.cancel()

    async def _feed(self, slot: Slot, send: Send) -> None:
        """Raises TimeoutError once the client has taken nothing for `slow_client_s`."""

        async def send_in_time(body: bytes, more_body: bool) -> None:
            async with asyncio.timeout(self._settings.slow_client_s):
                await send({"type": "http.response.body", "body": body, "more_body": more_body})

        while (event := await slot.take(self._settings.heartbeat_s)) is not None:
            await send_in_time(event, True)
        await send_in_time(b"", False)


class EventStream(Response):
    """The answer that ends with the page or the server."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, slot: Slot) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._live = live
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._live.serve(self._slot, receive, send)


def sse(document: bytes) -> bytes:
    """A status document, which JSON keeps on one line, as a server-sent event."""
    return b"event: status\nretry: %d\ndata: %b\n\n" % (RETRY_MS, document)


async def _disconnected(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
