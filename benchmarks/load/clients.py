"""Clients of the benchmark's own: asyncio, sockets, and as little between them and the clock as possible.

python -m benchmarks.load.clients live PORT CLIENTS STALLED SECONDS
python -m benchmarks.load.clients get PORT PATH RATE SECONDS [304]

Prints one JSON object. Latencies are in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
import sys
import time
from collections.abc import Sequence

from benchmarks.load.server import TOKEN

TIME = re.compile(rb'"time_us":(\d+)')
CONNECTIONS = 8  # of `get`: as many pages ask at a time


def request(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", *headers, "", ""]
    return "\r\n".join(lines).encode()


class Delivery(asyncio.Protocol):
    """One page that listens: when each snapshot was made, and how long it took to come."""

    def __init__(self, latencies: list[float], begin_s: float) -> None:
        self._latencies = latencies
        self._begin_s = begin_s
        self.events = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(request("/api/v1/live"))

    def data_received(self, data: bytes) -> None:
        now_s = time.time()
        for found in TIME.finditer(data):
            self.events += 1
            if now_s >= self._begin_s:
                self._latencies.append(now_s * 1e3 - int(found[1]) / 1e3)


def deaf(port: int) -> socket.socket:
    """A page that asks and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(request("/api/v1/live"))
    return client


async def live(port: int, clients: int, stalled: int, seconds: float) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    silent = [deaf(port) for _ in range(stalled)]
    # The first event of each is the snapshot before: what counts begins once all are there.
    begin_s = time.time() + 3 + clients / 300
    pages = []
    for _ in range(clients - stalled):
        page = Delivery(latencies, begin_s)
        await loop.create_connection(lambda page=page: page, "127.0.0.1", port)
        pages.append(page)
    await asyncio.sleep(max(0.0, begin_s - time.time()) + seconds)
    expected = len(pages) * seconds
    for client in silent:
        client.close()
    return {"events": len(latencies), "expected": expected, **percentiles(latencies)}


class Asker:
    """One connection that is kept."""

    async def open(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=64 << 20)

    async def ask(self, path: str, *headers: str) -> tuple[int, dict[bytes, bytes], int]:
        self._writer.write(request(path, *headers))
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        pairs = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        fields = {name.lower(): value for name, value in pairs}
        length = int(fields.get(b"content-length", b"0"))
        if length:
            await self._reader.readexactly(length)
        return status, fields, length


TIMER_S = 0.002  # what an event loop's timer may be late by


async def get(port: int, path: str, rate: float, seconds: float, *, cached: bool) -> dict[str, object]:
    """Asks at a fixed rate, whether or not the answer before has come: a late one counts from when it was due."""
    free: asyncio.Queue[Asker] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        asker = Asker()
        await asker.open(port)
        free.put_nowait(asker)
    first = await free.get()
    status, fields, length = await first.ask(path)
    assert status == 200
    free.put_nowait(first)
    headers: tuple[str, ...] = ("Accept-Encoding: gzip",)  # as browsers and most programs do
    if cached:
        headers += (f"If-None-Match: {fields[b'etag'].decode()}",)
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    sizes: set[int] = set()

    async def one(due_s: float) -> None:
        asker = await free.get()
        status, _, sent = await asker.ask(path, *headers)
        sizes.add(sent)
        latencies.append((time.perf_counter() - due_s) * 1e3)
        statuses[status] = statuses.get(status, 0) + 1
        free.put_nowait(asker)

    begun, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due_s = begun + number / rate
        if (wait_s := due_s - time.perf_counter() - TIMER_S) > 0:
            await asyncio.sleep(wait_s)
        while time.perf_counter() < due_s:  # the loop's own timer would be late by a millisecond
            await asyncio.sleep(0)
        tasks.append(asyncio.create_task(one(due_s)))
    await asyncio.gather(*tasks)
    return {
        "requests": len(latencies),
        "bytes": length,
        "sent": max(sizes),
        "statuses": statuses,
        **percentiles(latencies),
    }


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    if not ordered:
        return {}
    at = {percent: min(len(ordered) - 1, len(ordered) * percent // 100) for percent in (50, 99)}
    return {f"p{percent}_ms": round(ordered[index], 2) for percent, index in at.items()} | {
        "most_ms": round(ordered[-1], 2)
    }


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    what, port, *rest = sys.argv[1:]
    if what == "live":
        clients, stalled, seconds = rest
        found = asyncio.run(live(int(port), int(clients), int(stalled), float(seconds)))
    else:
        path, rate, seconds, *cached = rest
        found = asyncio.run(get(int(port), path, float(rate), float(seconds), cached=bool(cached)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
