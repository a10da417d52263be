"""Contenders, taken in turns: what disturbs the machine for a while disturbs them alike."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MOST_S = 240.0
FEWEST = 3  # repetitions, whatever they take


@dataclass(frozen=True, slots=True)
class Contender:
    """`run` does the work once, checks the result and returns the seconds that the work alone took."""

    name: str
    run: Callable[[], float]
    amount: dict[str, int]  # of work in one run, by unit: lines, bytes
    check: Callable[[], None] | None = None  # a closer look at the result than `run` can take, once and beforehand


@dataclass(slots=True)
class Measurement:
    """One contender's repetitions."""

    row: str
    contender: str
    amount: dict[str, int]
    seconds: list[float] = field(default_factory=list)

    def rate(self, unit: str) -> float:
        return self.amount[unit] / statistics.median(self.seconds)

    def as_json(self) -> dict[str, Any]:
        return {"row": self.row, "contender": self.contender, "amount": self.amount, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A claim: the subject's rate divided by the peer's, repetition by repetition; the median counts."""

    row: str
    claim: str
    subject: str
    peer: str
    unit: str
    ratios: list[float]
    goal: float | None  # None: shown, and nothing promised

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    def as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"ratio": self.ratio}


def race(row: str, contenders: Sequence[Contender], repetitions: int, *, warm: bool = True) -> list[Measurement]:
    """Every contender once, in order, and then again, in the opposite order, and so on. One round before does not
    count (`warm`), but for its check. On a machine too busy for all of them, it ends after MOST_S and FEWEST."""
    measured = [Measurement(row, contender.name, contender.amount) for contender in contenders]
    pairs = list(zip(contenders, measured, strict=True))
    for contender in contenders:
        if contender.check:
            contender.check()
    gc.collect()
    gc.disable()
    begun = time.perf_counter()
    try:
        for repetition in range(-1 if warm else 0, repetitions):
            if repetition >= FEWEST and time.perf_counter() - begun > MOST_S:
                break
            for contender, measurement in pairs if repetition % 2 else reversed(pairs):
                seconds = contender.run()
                if repetition >= 0:
                    measurement.seconds.append(seconds)
    finally:
        gc.enable()
    return measured


def compare(claim: str, subject: Measurement, peer: Measurement, unit: str, goal: float | None = None) -> Comparison:
    ratios = [
        (subject.amount[unit] / ours) / (peer.amount[unit] / theirs)
        for ours, theirs in zip(subject.seconds, peer.seconds, strict=True)
    ]
    return Comparison(subject.row, claim, subject.contender, peer.contender, unit, ratios, goal)


@contextmanager
def one_core() -> Iterator[None]:
    """This process and those it starts, on the last core it may use: the first one has most interrupts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
