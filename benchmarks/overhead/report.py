"""Puts the findings into the README, between its `overhead` marks: python -m benchmarks.overhead.report"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.overhead import findings
from benchmarks.overhead.findings import GOAL, Findings
from benchmarks.overhead.table import BASELINE, SUBJECT, TWO_CPUS, UNTRACED, goal_ratios
from benchmarks.section import write as put

ROOT = Path(__file__).parents[2]


def section(found: Findings) -> Iterator[str]:
    """Lines of Markdown."""
    machine = found.machine
    where = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel'].split('-')[0]}"
    repetitions = len({each.repetition for each in found.sessions})
    yield "What is left of a workload's speed while it is watched, 1 being untraced:"
    yield ""
    yield f"| watched by | {' | '.join(found.workloads)} | calls lost |"
    yield f"|---|{'---:|' * (len(found.workloads) + 1)}"
    for observer in found.observers:
        if observer != UNTRACED:
            left = (_median(found.ratios(observer, UNTRACED, workload)) for workload in found.workloads)
            yield f"| {observer} | {' | '.join(left)} | {_lost(found, observer)} |"
    for observer, why in found.failures.items():
        yield f"| {observer} | {' | ' * len(found.workloads)}cannot work here: {why} |"
    yield ""
    if ratios := goal_ratios(found):
        yield (
            f"In the storm on two CPUs, memtap with DuckDB let {statistics.median(ratios):.1%} of the calls through "
            f"that `{BASELINE}` did (goal: {GOAL:.0%}), took {found.cost(SUBJECT, TWO_CPUS)[2]:.2f} µs of CPU a call "
            f"for itself, and {found.peak_bytes(SUBJECT) / 1e6:.0f} MB at its peak."
        )
    yield (
        f"Medians of {repetitions} interleaved repetitions, as ratios of the repetitions; what each saw and lost was "
        f"held against the calls that the storms counted. Measured on {_where(where, found)} by `make overhead`; all "
        "figures are in [benchmarks/overhead/results.json](benchmarks/overhead/results.json)."
    )


def _where(where: str, found: Findings) -> str:
    """Where and when, and what else was going on."""
    beside = max(each.others for each in found.sessions)
    return f"{where}, {found.date.split()[0]}" + (f", beside up to {beside} other tracers," if beside else ",")


def _lost(found: Findings, observer: str) -> str:
    lost = found.lost(observer)
    return "not told" if lost is None else f"{lost:,}"


def _median(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def write(found: Findings, root: Path = ROOT) -> None:
    put(root / "README.md", "overhead", section(found))


if __name__ == "__main__":
    if not findings.FILE.exists():
        sys.exit(f"there is no {findings.FILE} yet: make overhead")
    write(findings.read())
