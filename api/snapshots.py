"""Answers serialised once for each version of the store, however many clients ask."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import math
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from starlette.responses import Response

from memtap.api.moment import Moment
from memtap.api.store_threads import StoreThreads
from memtap.errors import StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from starlette.requests import Request

    from memtap.stores.contract import Reader

T = TypeVar("T")

GZIP_FROM = 1400  # bytes: an answer that fits one packet gains nothing
GZIP_LEVEL = 1  # of the text here, 6 saves a tenth more bytes for three times the work
CACHE_BYTES = 64 << 20
ENTRY_BYTES = 1024  # what the smallest kept answer costs beside its text
PATIENCE_S = 0.005  # for a new answer, where there is one of a moment ago
REST = 4  # times as long as it took to make, an answer may be over before the next is made: a fifth of a core at most
REST_MOST_S = 1.0
STORE_THREADS = 4  # reads at once: more only wait for each other inside the database


class Answer:
    """One serialised document."""

    def __init__(self, body: bytes, took_s: float = 0.0) -> None:
        self.body = body
        self.took_s = took_s  # to make
        self.gzipped: bytes | None = None  # once somebody has asked for it
        self._lock = threading.Lock()

    def compressed(self) -> bytes:
        """Takes its time, once: not for the event loop."""
        with self._lock:
            if self.gzipped is None:
                self.gzipped = gzip.compress(self.body, GZIP_LEVEL, mtime=0)
            return self.gzipped


@dataclass(frozen=True, slots=True)
class Old:
    """An answer of a version that is over. Times are monotonic."""

    answer: Answer
    etag: str
    over_s: float  # it was the newest no later than then
    until_s: float

    @property
    def rests(self) -> bool:
        """Whether it is too early to make the next: on a busy machine the store changes faster than that is done."""
        return time.monotonic() < self.over_s + min(REST * self.answer.took_s, REST_MOST_S)

    @property
    def age(self) -> int:
        """Whole seconds, rounded up: never 0."""
        return math.floor(time.monotonic() - self.over_s) + 1


class Snapshots:
    """Reads in threads: a store blocks. Answers of an older version are forgotten."""

    def __init__(self, reader: Reader, stale_s: float) -> None:
        """`stale_s`: for how long an answer may still be given once the store has changed, while it is made anew."""
        self.reader = reader
        self._salt = secrets.token_hex(8)  # another server's ETags never match ours
        self._store_threads = StoreThreads(STORE_THREADS, "memtap-read")
        self._version_thread = StoreThreads(1, "memtap-version")  # never waits behind a long read
        self._moment = Moment(reader, "")
        self._known = False
        self._answers: OrderedDict[Hashable, asyncio.Future[Answer]] = OrderedDict()
        self._bytes = 0
        self._stale_s = stale_s
        self._before: dict[Hashable, Old] = {}
        self._making: dict[Hashable, asyncio.Future[tuple[Answer, str, int]]] = {}

    async def moment(self) -> Moment:
        """The store as it is now. Raises StoreError."""
        version = self.reader.known_version()
        if version is None:
            version = await self._version_thread.run(self.reader.version)
        if not self._known or version != self._moment.version:
            self._keep_for_a_while()
            self._moment, self._known = Moment(self.reader, version), True
            self._answers.clear()
            self._bytes = 0
        return self._moment

    def _keep_for_a_while(self) -> None:
        """The answers of the version that is over: for those who ask while the new ones are being made."""
        since_s = time.monotonic()
        kept = {key: old for key, old in self._before.items() if old.until_s > since_s}
        for key, future in self._answers.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                etag = self._etag(self._moment.version, key)
                kept[key] = Old(future.result(), etag, since_s, since_s + self._stale_s)
        self._before = kept

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Off the event loop. Cancelling does not wait for it; `settle` does, within reason."""
        return await self._store_threads.run(work)

    def give_up(self) -> None:
        """Answer whoever still waits for a read: the server stops."""
        for threads in (self._store_threads, self._version_thread):
            threads.give_up(StoreAway("memtap is stopping"))

    async def settle(self, patience_s: float) -> None:
        """Wait for reads under way, so that their store can be closed. No read may follow."""
        await self._store_threads.settle(patience_s)
        await self._version_thread.settle(patience_s)

    async def response(
        self,
        request: Request,
        key: Hashable,
        document: Callable[[Moment], bytes],
        *,
        media_type: str = "application/json",
        vary: str = "Accept-Encoding",
    ) -> Response:
        """200 with the document for `key`, or 304 where the client has it. Raises what `document` raises."""
        moment = await self.moment()
        etag = self._etag(moment.version, key)
        if matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=_cache_headers(etag, vary, 0))
        answer, etag, age = await self._newest(moment, key, document, etag)
        headers = _cache_headers(etag, vary, age)
        if matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        body = answer.body
        if len(body) >= GZIP_FROM and takes_gzip(request.headers.get("accept-encoding", "")):
            body = await self.in_thread(answer.compressed) if answer.gzipped is None else answer.gzipped
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers, media_type=media_type)

    async def document(self, key: Hashable, document: Callable[[Moment], bytes]) -> bytes:
        """The document for `key` alone. Raises what `document` raises."""
        return (await self._answer(await self.moment(), key, document)).body

    async def _newest(
        self, moment: Moment, key: Hashable, document: Callable[[Moment], bytes], etag: str
    ) -> tuple[Answer, str, int]:
        """The answer with its ETag and age: where it takes its time to make, that of a moment ago, so that nobody
        waits."""
        if not self._stale_s or self._is_made(key):
            return await self._answer(moment, key, document), etag, 0
        old = self._before.get(key)
        if old is not None and old.until_s <= time.monotonic():
            old = None
        making = self._making.get(key)  # one at a time of each
        if making is None:
            if old is not None and old.rests:
                return old.answer, old.etag, old.age
            making = self._making[key] = asyncio.ensure_future(self._make_and_keep(moment, key, document, etag))
            making.add_done_callback(lambda done: self._made(key, done))
        if old is not None:
            if old.answer.took_s < PATIENCE_S:  # so may the next
                await asyncio.wait({making}, timeout=PATIENCE_S)
            if not making.done():
                return old.answer, old.etag, old.age
        return await asyncio.shield(making)

    def _is_made(self, key: Hashable) -> bool:
        known = self._answers.get(key)
        return known is not None and known.done()

    async def _make_and_keep(
        self, moment: Moment, key: Hashable, document: Callable[[Moment], bytes], etag: str
    ) -> tuple[Answer, str, int]:
        begun_s = time.monotonic()
        answer = await self._answer(moment, key, document)
        if moment is self._moment:
            return answer, etag, 0
        # Overtaken since; and still the newest there is.
        old = self._before[key] = Old(answer, etag, begun_s, time.monotonic() + self._stale_s)
        return answer, etag, old.age

    def _made(self, key: Hashable, done: asyncio.Future[tuple[Answer, str, int]]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever waits is told; maybe nobody does

    async def _answer(self, moment: Moment, key: Hashable, document: Callable[[Moment], bytes]) -> Answer:
        if moment is not self._moment:  # overtaken by a newer version: not worth keeping
            return await self.in_thread(lambda: _made_of(moment, document))
        future = self._answers.get(key)
        if future is None:
            future = asyncio.ensure_future(self._make(moment, key, document))
            self._answers[key] = future
        else:
            self._answers.move_to_end(key)
        return await asyncio.shield(future)  # one client that goes away does not cancel it for the others

    async def _make(self, moment: Moment, key: Hashable, document: Callable[[Moment], bytes]) -> Answer:
        own = asyncio.current_task()
        try:
            answer = await self.in_thread(lambda: _made_of(moment, document))
        except BaseException:
            if self._answers.get(key) is own:
                del self._answers[key]
            raise
        if self._answers.get(key) is own:
            self._bytes += _cost(answer)
            self._trim(key)
        return answer

    def _trim(self, newest: Hashable) -> None:
        while self._bytes > CACHE_BYTES:
            key, future = next(iter(self._answers.items()))
            if key == newest:
                return
            del self._answers[key]
            if future.done() and not future.cancelled() and future.exception() is None:
                self._bytes -= _cost(future.result())

    def _etag(self, version: str, key: Hashable) -> str:
        seen = f"{self._salt}\n{version}\n{key!r}".encode("utf-8", "surrogatepass")
        return f'W/"{hashlib.blake2b(seen, digest_size=12).hexdigest()}"'


def _made_of(moment: Moment, document: Callable[[Moment], bytes]) -> Answer:
    begun_s = time.monotonic()
    body = document(moment)
    return Answer(body, time.monotonic() - begun_s)


def _cache_headers(etag: str, vary: str, age: int) -> dict[str, str]:
    return {"ETag": etag, "Age": str(age), "Cache-Control": "private, no-cache", "Vary": vary}


def _cost(answer: Answer) -> int:
    return len(answer.body) + ENTRY_BYTES


def matches(if_none_match: str, etag: str) -> bool:
    given = [tag.strip() for tag in if_none_match.split(",")]
    return "*" in given or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in given]


def takes_gzip(accept_encoding: str) -> bool:
    for choice in accept_encoding.lower().split(","):
        coding, _, weight = choice.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
