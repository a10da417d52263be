"""Threads that wait for the store, so that the event loop does not.

Their own, because anyio's and concurrent.futures' make the interpreter wait for them at exit: a database that
hangs would keep memtap from stopping.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_POLL_S = 0.01


class StoreThreads:
    """At most `count` pieces of work at once. Its threads start when first needed."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._awaited: set[asyncio.Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`. Cancelling stops the waiting, not the work."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def task() -> None:
            if future.cancelled():
                return
            try:
                told: tuple[Callable[..., None], Any] = (future.set_result, work())
            except Exception as error:
                told = (future.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(_tell, future, *told)

        if len(self._threads) < self._count:
            self._start()
        self._awaited.add(future)
        future.add_done_callback(self._awaited.discard)
        self._work.put(task)
        return await future

    def give_up(self, error: Exception) -> None:
        """Let whoever waits for a result get this error instead, now."""
        for future in tuple(self._awaited):
            _tell(future, future.set_exception, error)

    async def settle(self, patience_s: float) -> None:
        """End the threads once they are idle, and wait for it: a short while, as one may hang."""
        for _ in self._threads:
            self._work.put(None)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + patience_s
        while any(thread.is_alive() for thread in self._threads) and loop.time() < deadline_s:
            await asyncio.sleep(_POLL_S)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while (task := self._work.get()) is not None:
            task()


def _tell(future: asyncio.Future[Any], tell: Callable[..., None], told: Any) -> None:
    if not future.done():
        tell(told)
