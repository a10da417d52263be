"""The results as tables for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.race import Comparison, Measurement
from benchmarks.results import Results


def show(results: Results, console: Console) -> None:
    if results.measurements:
        console.print(_speeds(results))
    if results.comparisons:
        console.print(_claims(results.comparisons))
    if results.peaks:
        console.print(_peaks(results))
    if results.counts:
        console.print(_instructions(results))


def versus(results: Results, measurement: Measurement) -> str:
    """How many times as fast as this one memtap was, in the same repetitions."""
    ratios = [
        f"{each.ratio:.2f}"
        for each in results.comparisons
        if each.row == measurement.row and each.peer == measurement.contender
    ]
    return " and ".join(ratios)


def spread(seconds: list[float]) -> float:
    """Between the slowest and the fastest repetition, as a part of the median."""
    return (max(seconds) - min(seconds)) / statistics.median(seconds)


def _speeds(results: Results) -> Table:
    table = Table("work", "contender", title="Speed: medians, the fastest first", title_justify="left")
    for heading in ("lines/s", "MB/s", "spread", "memtap vs."):
        table.add_column(heading, justify="right")
    for each in sorted(results.measurements, key=lambda each: -each.rate("lines")):
        table.add_row(
            each.row,
            each.contender,
            f"{each.rate('lines'):,.0f}",
            f"{each.rate('bytes') / 1e6:,.0f}" if "bytes" in each.amount else "",
            f"{spread(each.seconds):.0%}",
            versus(results, each),
        )
    return table


def _claims(comparisons: list[Comparison]) -> Table:
    table = Table("claim", "against", title="Ratios: medians of the repetitions' own", title_justify="left")
    for heading in ("ratio", "least", "most", "goal"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in comparisons:
        table.add_row(
            each.claim,
            each.peer,
            f"{each.ratio:.2f}",
            f"{min(each.ratios):.2f}",
            f"{max(each.ratios):.2f}",
            "" if each.goal is None else f"{each.goal:g}",
            "" if each.goal is None else "reached" if each.ratio >= each.goal else "missed",
        )
    return table


def _peaks(results: Results) -> Table:
    table = Table("memtap ingest", title="Peak of resident memory", title_justify="left")
    table.add_column("MB", justify="right")
    table.add_column("at most", justify="right")
    table.add_column("")
    for each in results.peaks:
        kept = "kept" if each.peak_bytes < each.goal_bytes else "missed"
        table.add_row(each.what, f"{each.peak_bytes / 1e6:.0f}", f"{each.goal_bytes / 1e6:.0f}", kept)
    return table


def _instructions(results: Results) -> Table:
    table = Table("stage", title=f"Instructions a line, counted by {results.counter}", title_justify="left")
    table.add_column("a line", justify="right")
    table.add_column("most of them in")
    for each in sorted(results.counts, key=lambda each: each.per_line):
        table.add_row(each.what, f"{each.per_line:,.0f}", ", ".join(_functions(each.functions)))
    return table


def _functions(functions: dict[str, float]) -> Iterator[str]:
    return (f"{name} {own:.0f}" for name, own in list(functions.items())[:4] if own >= 1)
