"""What a run found: each repetition of each workload under each observer, and what follows from them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results.json")
GOAL = 0.95  # of the calls/s under bpftrace > /dev/null, in the storm on two CPUs


@dataclass(slots=True)
class Sample:
    """One workload once. `made` and `seen`: calls of a storm's processes; None where the observer does not tell."""

    repetition: int
    observer: str
    workload: str
    unit: str
    rate: float
    made: int
    seen: int | None
    workload_cpu_seconds: float
    tracer_cpu_seconds: float
    memtap_cpu_seconds: float


@dataclass(slots=True)
class Session:
    """One start of an observer, over all the workloads. `lost` is of every process of the machine."""

    repetition: int
    observer: str
    lost: int | None
    peak_bytes: int
    others: int  # tracers of others that ran beside it: they slow every call, too
    notes: dict[str, Any]


@dataclass(slots=True)
class Findings:
    date: str  # UTC
    machine: dict[str, Any]
    options: dict[str, Any]
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)  # observers that cannot work here, and why

    @property
    def observers(self) -> list[str]:
        return list(dict.fromkeys(each.observer for each in sorted(self.sessions, key=lambda each: each.repetition)))

    @property
    def workloads(self) -> list[str]:
        return list(dict.fromkeys(each.workload for each in self.samples))

    def of(self, observer: str, workload: str) -> list[Sample]:
        found = [each for each in self.samples if (each.observer, each.workload) == (observer, workload)]
        return sorted(found, key=lambda each: each.repetition)

    def rate(self, observer: str, workload: str) -> float:
        return statistics.median(each.rate for each in self.of(observer, workload))

    def ratios(self, observer: str, against: str, workload: str) -> list[float]:
        """Repetition by repetition: what disturbs the machine for a while disturbs both."""
        theirs = {each.repetition: each.rate for each in self.of(against, workload)}
        return [
            each.rate / theirs[each.repetition] for each in self.of(observer, workload) if each.repetition in theirs
        ]

    def cost(self, observer: str, workload: str) -> tuple[float, float, float]:
        """Microseconds of CPU for each call of a storm: in the storm itself, in the tracer, in memtap. What one CPU
        second is does not depend on who else wants the CPU."""
        samples = self.of(observer, workload)
        columns = ("workload_cpu_seconds", "tracer_cpu_seconds", "memtap_cpu_seconds")
        first, second, third = (
            1e6 * statistics.median(getattr(each, column) / each.made for each in samples) for column in columns
        )
        return first, second, third

    def lost(self, observer: str) -> int | None:
        told = [each.lost for each in self.sessions if each.observer == observer]
        return None if None in told else sum(each for each in told if each)

    def peak_bytes(self, observer: str) -> int:
        return max(each.peak_bytes for each in self.sessions if each.observer == observer)

    def unaccounted(self, observer: str) -> Iterator[str]:
        """Sessions whose account does not add up. seen + lost = calls made; as others lose, too, `lost` is the most
        that may be missing of the storms."""
        for session in self.sessions:
            of_storms = [
                each
                for each in self.samples
                if (each.repetition, each.observer) == (session.repetition, session.observer) and each.made
            ]
            if session.observer != observer or session.lost is None or any(each.seen is None for each in of_storms):
                continue
            missing = sum(each.made - (each.seen or 0) for each in of_storms)
            if not 0 <= missing <= session.lost:
                yield f"repetition {session.repetition}: {missing} calls missing, {session.lost} said to be lost"


def write(findings: Findings, path: Path = FILE) -> None:
    path.write_text(json.dumps(asdict(findings), indent=1) + "\n")


def read(path: Path = FILE) -> Findings:
    data = json.loads(path.read_text())
    data["samples"] = [Sample(**each) for each in data["samples"]]
    data["sessions"] = [Session(**each) for each in data["sessions"]]
    return Findings(**data)
