"""A trace that is counted without being parsed, a DuckDB file made of it, real servers over it on loopback."""

from __future__ import annotations

import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest
from counted import STREAM, Call, Sums, WideCall, batches, by_pid, some_wide_calls

from memtap.api import Settings, create_app
from memtap.native import Parser
from memtap.server import HEAD_S, Server, bind
from memtap.status import Status
from memtap.stores import open_store
from memtap.stores.contract import Host, Loss, Reader, SealedBatch, Stream

TOKEN = "the-token-of-the-tests"
MEMORY_BYTES = 8 << 30
FIRST_US = 1_700_000_000_000_000
NAMES = (b"bash", b"python3", b"<img src=x>", b"a\x1b[31m", b"\xff\xfe", "café".encode(), b"x, time=1", b"back\\slash")


def called(call: str, pid: int, name: bytes, time_us: int, length: int) -> Call:
    """A call, in the order in which a line says it."""
    return Call(pid, name, time_us, length, call)


def made_events(count: int = 3000) -> list[Call]:
    """Eight processes, half a minute of calls, of every order of magnitude."""
    chance = random.Random(7)
    time_us = FIRST_US
    events = []
    for _ in range(count):
        time_us += chance.randrange(20_000)
        which = chance.randrange(len(NAMES))
        events.append(
            called(
                call=chance.choice(("mmap2", "mmap2", "munmap")),
                pid=100 + which,
                name=NAMES[which],
                time_us=time_us,
                length=chance.randrange(1, 1 << chance.randrange(1, 40)),
            )
        )
    return events


class Writer:
    """Writes events to a store as a loader does: through the parser, batch by batch."""

    def __init__(self, store: Any) -> None:
        self._writer = store.writer()
        self._stream = self._writer.open_stream(
            Stream("made", "file", Host("testhost", "d2c0ffee-0000-4000-8000-000000000001", MEMORY_BYTES, 4096))
        ).stream_no
        self._parser = Parser()
        self._number = 0
        self._ordinal = 0
        self._bytes = 0
        self._lines = 0

    def write(self, events: list[Call], *, losses: tuple[Loss, ...] = ()) -> None:
        data = b"".join(event.line for event in events)
        self._parser.feed(data)
        self._bytes += len(data)
        batch = self._parser.seal()
        lines, self._lines = self._parser.lines - self._lines, self._parser.lines
        sealed = SealedBatch(
            number=self._number,
            first_ordinal=self._ordinal,
            offset=self._bytes,
            check=b"",
            events=batch,
            lines=lines,
            rejected=0,
            notices=0,
            losses=losses,
        )
        assert len(batch) == len(events)
        assert self._writer.write(self._stream, sealed)
        self._number += 1
        self._ordinal += len(batch)

    def end(self, *pids: int, at_us: int = FIRST_US + 10**9) -> None:
        self._writer.end_processes(self._stream, pids, at_us)

    def close(self) -> None:
        self._writer.close()


@dataclass
class Stored:
    """A store, and its writer for a test that adds to it."""

    store: Any
    writer: Writer

    def reader(self) -> Reader:
        return self.store.reader()


@contextlib.contextmanager
def stored_at(url: str, events: list[Call]) -> Iterator[Stored]:
    """A new store with these events in it."""
    store = open_store(url)
    store.migrate()
    writer = Writer(store)
    if events:
        writer.write(events)
    yield Stored(store, writer)
    writer.close()
    store.close()


def stored(path: Path, events: list[Call]) -> AbstractContextManager[Stored]:
    return stored_at(f"duckdb://{path}", events)


@contextlib.contextmanager
def stored_wide_at(url: str, calls: list[WideCall], losses: tuple[Loss, ...] = ()) -> Iterator[Reader]:
    """A new store with these lines of format 2 in it, and losses that came with the first of them."""
    store = open_store(url)
    store.migrate()
    writer = store.writer()
    number = writer.open_stream(STREAM).stream_no
    for batch in batches(calls):
        assert writer.write(number, batch if batch.number else batch._replace(losses=losses))
    yield store.reader()
    writer.close()
    store.close()


class Counting:
    """A reader that counts what it is asked."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any, **options: Any) -> Any:
            self.asked[name] += 1
            return getattr(self._reader, name)(*args, **options)

        return ask


@dataclass
class Site:
    """A running server."""

    server: Server
    settings: Settings
    app: Any

    def client(self, **options: Any) -> httpx.Client:
        """One that knows the token. There is no TLS here, and loading certificates takes its time."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        options.setdefault("event_hooks", {"response": [self.described]})
        return httpx.Client(base_url=self.settings.address, headers=headers, timeout=20, verify=False, **options)

    def described(self, answer: httpx.Response) -> None:
        """Every answer of every test is as the OpenAPI document says."""
        if answer.headers.get("content-type") == "text/event-stream; charset=utf-8":
            return  # it would be read to its end
        answer.read()
        Described.of(self.app).check(answer)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must succeed."""
        with self.client() as client:
            answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Described:
    """An application's OpenAPI document, as a judge of its answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.components = {"components": document["components"]}
        self._paths = {
            re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))): operations
            for path, operations in document["paths"].items()
        }
        self._judges: dict[str, Any] = {}

    @staticmethod
    @cache
    def of(app: Any) -> Described:
        return Described(orjson.loads(app.state.openapi))

    def operation(self, path: str) -> dict[str, Any] | None:
        return next((one["get"] for pattern, one in self._paths.items() if pattern.fullmatch(path)), None)

    def check(self, answer: httpx.Response) -> None:
        operation = self.operation(answer.request.url.path)
        if operation is None:
            return
        status = str(answer.status_code)
        assert status in operation["responses"], f"{answer.request.url}: undocumented status {status}"
        if not answer.content:
            return
        content = operation["responses"][status].get("content", {})
        media_type = answer.headers["content-type"]
        assert media_type in content, f"{answer.request.url}: undocumented media type {media_type}"
        if media_type == "application/json":
            self.judge(content[media_type]["schema"]).validate(answer.json())

    def judge(self, schema: dict[str, Any]) -> Any:
        key = str(schema)
        if key not in self._judges:
            self._judges[key] = jsonschema_rs.validator_for({**self.components, **schema})
        return self._judges[key]


Serve = Callable[..., Site]


@contextlib.contextmanager
def serving() -> Iterator[Serve]:
    """Starts servers; all must have ended in time when the test is over."""
    sites: list[Site] = []

    def serve(reader: Any, status: Callable[[], Status] = Status, *, head_s: float = HEAD_S, **options: Any) -> Site:
        listener = bind("127.0.0.1", 0)
        settings = Settings(
            **{"store_url": "duckdb:///made", "port": listener.getsockname()[1], "token": TOKEN, **options}
        )
        app = create_app(reader, status, settings)
        server = Server(app, listener, head_s=head_s)
        server.start()
        sites.append(Site(server, settings, app))
        server.wait_ready()
        return sites[-1]

    try:
        yield serve
    finally:
        for site in sites:
            site.server.stop()
        assert all(site.server.join(20) for site in sites), "a server did not stop"


@pytest.fixture
def serve() -> Iterator[Serve]:
    with serving() as start:
        yield start


@pytest.fixture(scope="session")
def events() -> list[Call]:
    return made_events()


@pytest.fixture(scope="session")
def tallies(events: list[Call]) -> dict[int, Sums]:
    return by_pid(events)


@pytest.fixture(scope="session")
def made(events: list[Call], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A store of the made events, which no test changes."""
    with stored(tmp_path_factory.mktemp("store") / "made.duckdb", events) as kept:
        yield kept


@pytest.fixture(scope="session")
def site(made: Stored) -> Iterator[Site]:
    with serving() as start:
        yield start(made.reader())


@pytest.fixture(scope="session")
def wide_calls() -> list[WideCall]:
    return some_wide_calls(3000)


@pytest.fixture(scope="session")
def wide_site(wide_calls: list[WideCall], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Over lines of format 2."""
    path = tmp_path_factory.mktemp("store") / "wide.duckdb"
    with stored_wide_at(f"duckdb://{path}", wide_calls) as reader, serving() as start:
        yield start(reader)


@pytest.fixture
def fresh_wide(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts a server over these lines of format 2 and these losses."""
    with contextlib.ExitStack() as running:

        def over(calls: list[WideCall], *losses: Loss, **options: Any) -> Site:
            reader = running.enter_context(stored_wide_at(f"duckdb://{tmp_path / 'wide.duckdb'}", calls, losses))
            return running.enter_context(serving())(reader, **options)

        yield over


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stored]:
    """An empty store of the test's own."""
    with stored(tmp_path / "fresh.duckdb", []) as kept:
        yield kept


@pytest.fixture
def event() -> Callable[..., Call]:
    return called


@pytest.fixture
def counting() -> type[Counting]:
    return Counting
