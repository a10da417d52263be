"""The findings as tables for a terminal."""

from __future__ import annotations

import statistics

from rich.console import Console
from rich.table import Table

from benchmarks.overhead.findings import GOAL, Findings

UNTRACED = "untraced"
BASELINE = "bpftrace memtap.bt > /dev/null"
SUBJECT = "memtap, stores all in DuckDB"
TWO_CPUS = "mmap storm, 2 CPUs"


def goal_ratios(found: Findings) -> list[float]:
    """Of the promise: memtap's calls/s by those of the same script into /dev/null; empty where one was not measured."""
    return found.ratios(SUBJECT, BASELINE, TWO_CPUS)


def show(found: Findings, console: Console) -> None:
    console.print(_speeds(found))
    console.print(_accounts(found))
    if ratios := goal_ratios(found):
        ratio = statistics.median(ratios)
        verdict = "reached" if ratio >= GOAL and found.lost(SUBJECT) == 0 else "missed"
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        console.print(f"{SUBJECT}, by {BASELINE}, {TWO_CPUS}: {ratio:.3f} ({spread}); goal {GOAL}, 0 lost: {verdict}")


def _speeds(found: Findings) -> Table:
    table = Table("workload", "observer", title="Medians; ratios repetition by repetition", title_justify="left")
    for heading in ("rate", "by untraced", "by > /dev/null", "least", "most"):
        table.add_column(heading, justify="right")
    for workload in found.workloads:
        for observer in found.observers:
            by_baseline = found.ratios(observer, BASELINE, workload)
            table.add_row(
                workload,
                observer,
                f"{found.rate(observer, workload):,.0f} {found.of(observer, workload)[0].unit}",
                _median(found.ratios(observer, UNTRACED, workload)),
                *((_median(by_baseline), f"{min(by_baseline):.3f}", f"{max(by_baseline):.3f}") if by_baseline else ()),
            )
    return table


def _accounts(found: Findings) -> Table:
    table = Table("observer", title=f"The account, and CPU of the {TWO_CPUS}", title_justify="left")
    for heading in ("made", "seen", "lost", "us/call in the storm", "in the tracer", "in memtap", "peak MB"):
        table.add_column(heading, justify="right")
    for observer in found.observers:
        samples = [each for each in found.samples if each.observer == observer and each.made]
        seen = None if any(each.seen is None for each in samples) else sum(each.seen or 0 for each in samples)
        table.add_row(
            observer,
            f"{sum(each.made for each in samples):,}",
            _count(seen),
            _count(found.lost(observer)),
            *(f"{cost:.2f}" for cost in found.cost(observer, TWO_CPUS)),
            f"{found.peak_bytes(observer) / 1e6:.0f}",
        )
    return table


def _median(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f}" if ratios else ""


def _count(number: int | None) -> str:
    return "not told" if number is None else f"{number:,}"
