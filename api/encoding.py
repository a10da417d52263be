"""JSON that keeps every integer exact and never fails on hostile text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOWEST, _HIGHEST = -(2**63), 2**64 - 1  # what orjson writes itself


class Large:
    """An integer that orjson would refuse. No dataclass: those orjson writes itself."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __str__(self) -> str:
        return str(self.number)


Number = int | Large


def exact(number: int) -> Number:
    """An integer of any size as `dumps` takes it: sums of bytes pass 2^64."""
    return number if _LOWEST <= number <= _HIGHEST else Large(number)


def exact_all(numbers: Iterable[int]) -> list[Number]:
    return [exact(number) for number in numbers]


def exact_or_null(number: int | None) -> Number | None:
    return None if number is None else exact(number)


def printable(text: str) -> str:
    """Text from outside (a tap's stderr, an error) with whatever does not print escaped."""
    try:
        raw = text.encode("utf-8", "surrogateescape")  # gives back the bytes that were not UTF-8
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogatepass")
    return display(raw)


def dumps(document: object) -> bytes:
    return orjson.dumps(document, default=_unknown)


def _unknown(value: object) -> orjson.Fragment:
    if isinstance(value, Large):
        return orjson.Fragment(str(value))
    raise TypeError(value)
