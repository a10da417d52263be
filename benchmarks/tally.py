"""What a reader of a trace must have found: events, bytes, exact sums for each pid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtap.native import CALLS, Batch

U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
PID_MAX = 1 << 22
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xC2B2AE3D27D4EB4F)
_RELEASES = [CALLS.index(call) for call in ("munmap", "shmdt")]


class Wrong(Exception):
    """A contender's result is not the expected one: its time counts for nothing."""


@dataclass(frozen=True, slots=True)
class Found:
    """A trace's content, as far as it is compared. `digest` is of every pid's requested and released bytes, and of
    the sums of its times and names, modulo 2^64; peers/peer.h computes the same."""

    events: int
    length: int  # sum of lengths, bytes
    names: int  # distinct
    digest: int

    def check(self, other: Found, who: str) -> None:
        if other != self:
            raise Wrong(f"{who}: found {other}, expected {self}")


class Tally:
    """Sums by pid, added up from columns."""

    def __init__(self) -> None:
        self._sums = np.zeros((4, PID_MAX + 1), np.uint64)  # requested, released, times, names
        self._events = np.zeros(PID_MAX + 1, np.uint32)
        self._length = 0
        self._names: set[bytes] = set()

    def add(self, released: NDArray[np.bool_], pid: U32, time_us: U64, length: U64, name: U32, words: U64) -> None:
        """`released`: which calls give back. `name`: indexes `words`, as `name_words` makes them."""
        requested, given_back, times, names = self._sums
        np.add.at(requested, pid[~released], length[~released])
        np.add.at(given_back, pid[released], length[released])
        np.add.at(times, pid, time_us)
        np.add.at(names, pid, words[name])
        np.add.at(self._events, pid, np.uint32(1))
        self._length += _sum(length)

    def add_names(self, names: Sequence[bytes]) -> None:
        self._names.update(names)

    def add_batch(self, batch: Batch) -> None:
        """Of either format: what a call of format 2 gave back is its `freed`, and counts beside its length."""
        names = list(batch.names[: batch.name_count])
        column = np.asarray(batch.call)
        released = np.isin(column, _RELEASES)
        self.add_names(names)
        words = name_words(names)
        self.add(
            released,
            np.asarray(batch.pid),
            np.asarray(batch.time_us),
            np.asarray(batch.length),
            np.asarray(batch.name),
            words,
        )

    def found(self) -> Found:
        pids = np.flatnonzero(self._events).astype(np.uint64)
        h = np.zeros(len(pids), np.uint64)
        for values in (pids, *(column[pids] for column in self._sums)):
            h = (h ^ values) * _GOLDEN
            h ^= h >> np.uint64(29)
        digest = int(h.sum(dtype=np.uint64)) if len(h) else 0
        return Found(int(self._events.sum(dtype=np.uint64)), self._length, len(self._names), digest)

    def by_pid(self) -> dict[int, tuple[int, int, int]]:
        """Events, requested and released bytes of each pid: what a store is asked for."""
        pids = np.flatnonzero(self._events)
        columns = (self._events[pids], self._sums[0][pids], self._sums[1][pids])
        return {
            int(pid): (int(events), int(requested), int(released))
            for pid, events, requested, released in zip(pids, *columns, strict=True)
        }


def name_words(names: Sequence[bytes]) -> U64:
    """One number for each name, of its 16 zero-padded bytes as two words."""
    words = np.frombuffer(b"".join(name.ljust(16, b"\0") for name in names), np.uint64).reshape(-1, 2)
    mixed: U64 = words[:, 0] * _GOLDEN ^ words[:, 1] * _OTHER
    return mixed


def _sum(values: U64) -> int:
    """Exact, beyond 64 bits."""
    low = int((values & np.uint64(0xFFFFFFFF)).sum(dtype=np.uint64))
    return (int((values >> np.uint64(32)).sum(dtype=np.uint64)) << 32) + low


def check_by_pid(found: dict[int, tuple[int, int, int]], expected: dict[int, tuple[int, int, int]], who: str) -> None:
    if found == expected:
        return
    wrong = next(pid for pid in sorted(found.keys() | expected.keys()) if found.get(pid) != expected.get(pid))
    raise Wrong(
        f"{who}: {len(found)} pids, expected {len(expected)}; of pid {wrong} (events, requested, released) "
        f"{found.get(wrong)}, expected {expected.get(wrong)}"
    )
