"""What a run found, and the file it is kept in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.instructions import Count
from benchmarks.memory import Peak
from benchmarks.race import Comparison, Measurement

FILE = Path(__file__).with_name("results.json")


@dataclass(slots=True)
class Results:
    date: str = ""  # UTC
    options: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0  # the whole run
    measurements: list[Measurement] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
    counter: str = ""
    counts: list[Count] = field(default_factory=list)

    def add(self, found: tuple[list[Measurement], list[Comparison]]) -> None:
        self.measurements += found[0]
        self.comparisons += found[1]

    def as_json(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "options": self.options,
            "seconds": round(self.seconds, 1),
            "machine": self.machine,
            "comparisons": [each.as_json() for each in self.comparisons],
            "measurements": [each.as_json() for each in self.measurements],
            "peaks": [each.as_json() for each in self.peaks],
            "instructions": {"counter": self.counter, "per_line": [each.as_json() for each in self.counts]},
        }


def write(results: Results, path: Path = FILE) -> None:
    path.write_text(json.dumps(results.as_json(), indent=1) + "\n")


def read(path: Path = FILE) -> Results:
    data = json.loads(path.read_text())
    comparisons = [
        Comparison(**{name: value for name, value in each.items() if name != "ratio"}) for each in data["comparisons"]
    ]
    return Results(
        data["date"],
        data["options"],
        data["machine"],
        data["seconds"],
        [Measurement(**each) for each in data["measurements"]],
        comparisons,
        [Peak(**each) for each in data["peaks"]],
        data["instructions"]["counter"],
        [Count(**each) for each in data["instructions"]["per_line"]],
    )
