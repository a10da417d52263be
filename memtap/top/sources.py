"""Where the rows come from: a running memtap, asked over HTTP, or a store that nobody else has open."""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.parse
from dataclasses import dataclass, replace
from typing import Any, Protocol

from memtap.api.moment import Moment
from memtap.api.processes import process_columns
from memtap.errors import MemtapError, StoreError, UsageError
from memtap.names import display
from memtap.stores.contract import Reader

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """One process that is not known to have ended. Bytes and calls."""

    id: int
    pid: int
    name: str  # escaped: nothing in it moves a cursor
    user: str
    vm: int | None
    resident: int | None
    balance: int
    percentage: float | None  # of the machine's memory
    requested: int
    released: int
    calls: int
    failed: int | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """All of them, as of one moment."""

    at_s: float  # monotonic
    where: str
    host: str
    memory_bytes: int
    note: str  # what is amiss, or that it is a recording; empty: nothing
    rows: tuple[Row, ...]


class Source(Protocol):
    """Asked once a tick, by one thread at a time."""

    def sample(self) -> Sample:
        """Raises MemtapError."""
        ...


def rows_of(columns: dict[str, list[Any]]) -> tuple[Row, ...]:
    """Of the API's columns, whoever gave them."""
    return tuple(
        Row(
            id=number,
            pid=pid,
            name=_shown(name),
            user=_shown(user) if user is not None else "" if uid is None else str(uid),
            vm=vm,
            resident=resident,
            balance=balance,
            percentage=percentage,
            requested=requested,
            released=released,
            calls=requests + releases + (failed or 0),
            failed=failed,
            exact=exact,
        )
        for (
            number,
            pid,
            name,
            user,
            uid,
            vm,
            resident,
            balance,
            percentage,
            requested,
            released,
            requests,
            releases,
            failed,
            exact,
        ) in zip(*(columns[name] for name in _COLUMNS), strict=True)
    )


_COLUMNS = (
    "id",
    "pid",
    "process_name",
    "user",
    "uid",
    "vm",
    "resident",
    "balance",
    "percentage",
    "requested",
    "released",
    "requests",
    "releases",
    "failed",
    "exact",
)


def _shown(name: str) -> str:
    """Escaped by whoever sent it; but that may be anybody."""
    return name if name.isprintable() else display(name.encode("utf-8", "surrogatepass"))


class StoreSource:
    """Reads a store."""

    def __init__(self, reader: Reader, url: str) -> None:
        self._reader = reader
        self._url = url
        self._newest: tuple[str, Sample] | None = None

    def sample(self) -> Sample:
        version = self._reader.version()
        now_s = time.monotonic()
        if self._newest is not None and self._newest[0] == version:
            return replace(self._newest[1], at_s=now_s)
        moment = Moment(self._reader, version)
        living = [row for row in moment.processes if row.ended_us is None]
        columns = process_columns(moment, living, moment.requested_all)
        whole: dict[str, list[Any]] = {
            name: [getattr(value, "number", value) for value in columns[name]] for name in _COLUMNS
        }
        host = moment.host
        sample = Sample(now_s, self._url, _shown(host.name), host.memory_bytes, "", rows_of(whole))
        self._newest = version, sample
        return sample


class HttpSource:
    """Asks a running memtap, and again only for what has changed."""

    def __init__(self, url: str, token: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"--url {url!r}: give the address that memtap printed, such as http://127.0.0.1:7411/")
        if parts.query or parts.username or parts.password:
            raise UsageError(
                "--url: other users can read the argument list: leave the token out of it and put it in MEMTAP_TOKEN"
            )
        if not token:
            raise UsageError("--url: set MEMTAP_TOKEN to the token that memtap printed at the end of its address")
        self._url = urllib.parse.urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
        self._parts = parts
        self._token = token
        self._connection: http.client.HTTPConnection | None = None
        self._etag = ""
        self._rows: tuple[Row, ...] = ()

    def sample(self) -> Sample:
        try:
            status = self._get("/api/v1/status")
            listed = self._get("/api/v1/processes", self._etag)
        except MemtapError:
            self._drop()
            raise
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self._drop()
            why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
            raise MemtapError(f"memtap at {self._url} does not answer: {why}; is it running there?") from error
        if listed is not None:
            self._rows = rows_of(listed["columns"])
        assert status is not None  # noqa: S101  # asked without an ETag
        return Sample(
            time.monotonic(),
            self._url,
            _shown(status["host"]["name"]),
            status["host"]["memory_bytes"],
            _note(status),
            self._rows,
        )

    def _get(self, path: str, etag: str = "") -> dict[str, Any] | None:
        """None: nothing has changed since `etag`."""
        for attempt in (1, 2):
            kept = self._connection is not None
            connection = self._connect()
            try:
                headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
                connection.request("GET", path, headers={**headers, **({"If-None-Match": etag} if etag else {})})
                answer = connection.getresponse()
                text = answer.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._drop()  # a kept connection that idled too long is closed by the server
                if attempt == 2 or not kept:
                    raise
        if answer.status == 304:
            return None
        if answer.status == 401:
            raise MemtapError(f"memtap at {self._url} does not know the token in MEMTAP_TOKEN: use the one it printed")
        if answer.status != 200:
            raise MemtapError(f"memtap at {self._url} answers {answer.status}: {_shown(_reason(text))}")
        if path == "/api/v1/processes":
            self._etag = answer.headers.get("ETag", "")
        document: dict[str, Any] = json.loads(text)
        return document

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _reason(text: bytes) -> str:
    try:
        return str(json.loads(text)["error"]["what"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _note(status: dict[str, Any]) -> str:
    if status["store"]["state"] != "ok":
        return _shown(f"the store is away: {status['store']['error']}")
    if status["tap"]["state"] == "restarting":
        return _shown(f"the tap restarts: {status['tap']['message']}")
    return "a recording, not this machine" if status["tap"]["recording"] else ""


def in_use(error: StoreError, port: int) -> StoreError:
    """Of a DuckDB file that a running memtap owns: how to look at it all the same."""
    if "is in use by" not in str(error):
        return error
    return StoreError(f"{error}; or ask that memtap: MEMTAP_TOKEN=… memtap top --url http://127.0.0.1:{port}/")
