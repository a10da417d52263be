"""What a trace says, counted the plain way: what the page is held against."""

from __future__ import annotations

from dataclasses import dataclass

from counted import Call, Sums, by_pid

from ..native.plain import Plain, read


@dataclass
class PlainCount:
    """`calls`: (kind, pid, comm, time_us, length) in the order of the lines."""

    calls: list[tuple[str, int, bytes, int, int]]
    rejected: int
    processes: dict[int, Sums]

    @property
    def requested(self) -> int:
        return sum(process.requested for process in self.processes.values())

    @property
    def released(self) -> int:
        return sum(process.released for process in self.processes.values())

    def newest_first(self, pid: int | None = None) -> list[tuple[str, int, bytes, int, int]]:
        """By time; of one time, the later line first."""
        calls = [call for call in self.calls if pid in (None, call[1])]
        order = sorted(range(len(calls)), key=lambda at: (calls[at][3], at), reverse=True)
        return [calls[at] for at in order]


def count(data: bytes) -> PlainCount:
    """Of a whole trace in format 1."""
    plain: Plain = read(data)
    calls = [Call(pid, name, time_us, length, kind) for kind, pid, name, time_us, length in plain.events]
    return PlainCount(plain.events, len(plain.rejected), by_pid(calls))
