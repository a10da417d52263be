"""A query's parameters, each read and checked in one place, with a Problem that says what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memtap.api.problems import Problem
from memtap.names import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)
_CURSOR = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
_CURSOR_SCHEMA = "^[0-9]{1,20}-[0-9]{1,20}$"
_SPAN = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?", re.ASCII)
_COMM_BYTES = 15

Schema = dict[str, Any]
"""A JSON Schema."""

Span = tuple[int, int | None]
"""A moment (t, None) or a window (from, to), microseconds since the epoch."""

MAX_ID = 2**63 - 1  # what both databases keep in a signed 64-bit integer
MAX_US = 2**63 - 1
MAX_PID = 2**32 - 1
MAX_LENGTH = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one parameter's text becomes its value."""

    read: Callable[[str], object]  # raises ValueError for what is not allowed
    allowed: str
    schema: Schema  # the same for the OpenAPI document
    what: str = ""  # a sentence for its reader


def integer(low: int, high: int, what: str = "") -> Parameter:
    def read(text: str) -> int:
        if not _DIGITS.fullmatch(text):
            raise ValueError(text)
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return Parameter(read, f"{low} to {high}", {"type": "integer", "minimum": low, "maximum": high}, what)


def choice(values: Mapping[str, object], what: str = "") -> Parameter:
    def read(text: str) -> object:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return Parameter(read, ", ".join(values), {"type": "string", "enum": list(values)}, what)


def one_of(words: Sequence[str], what: str = "") -> Parameter:
    return choice({word: word for word in words}, what)


def comm(what: str = "") -> Parameter:
    """A process name as answers show it, back to its bytes."""

    def read(text: str) -> bytes:
        try:
            name = parse(text)
        except OverflowError as error:  # an escape beyond Unicode
            raise ValueError(text) from error
        if len(name) > _COMM_BYTES or b"\0" in name:
            raise ValueError(text)
        return name

    allowed = r"a process_name as answers show it, at most 15 bytes; escapes are \\ \n \t \r \xff \u202e"
    return Parameter(read, allowed, {"type": "string"}, what)


def cursor(what: str = "") -> Parameter:
    """(time in microseconds, id) of a call."""

    def read(text: str) -> tuple[int, int]:
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise ValueError(text)
        time_us, call_id = int(match[1]), int(match[2])
        if time_us > MAX_US or call_id > MAX_ID:
            raise ValueError(text)
        return time_us, call_id

    return Parameter(
        read, "'older' or 'newer' of an earlier answer", {"type": "string", "pattern": _CURSOR_SCHEMA}, what
    )


def span(what: str = "") -> Parameter:
    """A moment, or a window as two moments with a hyphen between; in microseconds, and the window is not empty."""

    def read(text: str) -> Span:
        match = _SPAN.fullmatch(text)
        if match is None:
            raise ValueError(text)
        first_us = int(match[1])
        last_us = None if match[2] is None else int(match[2])
        if max(first_us, last_us or 0) > MAX_US or (last_us is not None and last_us <= first_us):
            raise ValueError(text)
        return first_us, last_us

    return Parameter(
        read,
        "a time in microseconds since the epoch, or two of them, the earlier first, with a hyphen between",
        {"type": "string", "pattern": "^[0-9]{1,19}(-[0-9]{1,19})?$"},
        what,
    )


def cursor_text(time_us: int, call_id: int) -> str:
    return f"{time_us}-{call_id}"


def read_query(
    items: Iterable[tuple[str, str]], known: Mapping[str, Parameter], required: Iterable[str] = ()
) -> dict[str, object]:
    """The values of a query's parameters by name. Unknown, repeated and missing ones are refused."""
    values: dict[str, object] = {}
    for name, text in items:
        parameter = known.get(name)
        if parameter is None:
            raise Problem(
                400,
                "unknown parameter",
                parameter=name,
                value=text,
                allowed=", ".join(known) or "no parameters here",
            )
        if name in values:
            raise Problem(400, "parameter given twice", parameter=name, value=text, allowed="once")
        try:
            values[name] = parameter.read(text)
        except ValueError:
            raise Problem(400, "value not allowed", parameter=name, value=text, allowed=parameter.allowed) from None
    for name in required:
        if name not in values:
            raise Problem(400, "parameter missing", parameter=name, allowed=known[name].allowed)
    return values
