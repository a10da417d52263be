"""Measures what tapping costs: python -m benchmarks.overhead [--quick] [--only OBSERVER]... [--output FILE]"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.overhead import findings, report
from benchmarks.overhead.findings import Findings, Sample, Session
from benchmarks.overhead.observers import CannotWatch, Nobody, Observer, bpftrace_to, counting, perf_trace, settle
from benchmarks.overhead.processes import await_no_tracers
from benchmarks.overhead.table import show
from benchmarks.overhead.watching import Memtap
from benchmarks.overhead.workloads import Compilation, Storm, WebServer, Work, Workload, build_storm, cpus

EPILOG = """
A whole run writes benchmarks/overhead/results.json and, from that, the README's section. It needs root, two CPUs and
about ten minutes. A quick run is shown only, unless --output says where to keep it.
"""

PATIENCE_S = 8.0  # for the tracers of others to end


def observers(folder: Path) -> list[Callable[[], Observer]]:
    return [
        Nobody,
        counting,
        perf_trace,
        lambda: bpftrace_to("/dev/null"),
        lambda: bpftrace_to("file"),
        lambda: Memtap("memtap, stores nothing", folder, tap="bpftrace", store="null"),
        lambda: Memtap("memtap, stores all in DuckDB", folder, tap="bpftrace", store="duckdb"),
        lambda: Memtap("memtap, original format, DuckDB", folder, tap="bpftrace:original", store="duckdb"),
    ]


def workloads(folder: Path, *, quick: bool) -> list[Workload]:
    storm, available = build_storm(folder), cpus()
    if len(available) < 2:
        sys.exit("the storm on two CPUs needs two CPUs: this process may use one")
    seconds = 1.0 if quick else 3.0
    return [
        Storm(storm, available[-1:], seconds),
        Storm(storm, available[:2], seconds),
        Compilation(folder, 8 if quick else 30),
        WebServer(folder, 300 if quick else 1500),
    ]


def observe(observer: Observer, work: Sequence[Workload], repetition: int) -> tuple[list[Sample], Session]:
    """Everything once under one observer."""
    others = await_no_tracers(PATIENCE_S)
    observer.start()
    done: list[tuple[Workload, Work, float, float]] = []
    try:
        for each in work:
            before = observer.cpu_seconds()
            found = each.run()
            settle()
            tracer, memtap = (now - then for now, then in zip(observer.cpu_seconds(), before, strict=True))
            done.append((each, found, tracer, memtap))
    finally:
        account = observer.stop([pid for _, found, _, _ in done for pid in found.calls])
    samples = [
        Sample(
            repetition,
            observer.name,
            each.name,
            each.unit,
            found.rate,
            sum(found.calls.values()),
            None if account.seen is None else sum(account.seen[pid] for pid in found.calls),
            found.cpu_seconds,
            tracer,
            memtap,
        )
        for each, found, tracer, memtap in done
    ]
    return samples, Session(repetition, observer.name, account.lost, account.peak_bytes, others, account.notes)


def measure(folder: Path, only: Sequence[str], on: Sequence[str], repetitions: int, *, quick: bool) -> Findings:
    found = Findings(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine.describe(), {"quick": quick})
    begun = time.perf_counter()
    work = [each for each in workloads(folder, quick=quick) if not on or any(name in each.name for name in on)]
    chosen = [make for make in observers(folder) if not only or any(name in make().name for name in only)]
    for repetition in range(repetitions):
        for make in chosen if repetition % 2 == 0 else reversed(chosen):
            observer = make()
            if observer.name in found.failures:
                continue
            try:
                samples, session = observe(observer, work, repetition)
            except CannotWatch as error:
                found.failures[observer.name] = str(error)
                print(f"{observer.name} cannot work here: {error}", file=sys.stderr)
                continue
            found.samples += samples
            found.sessions.append(session)
            rates = ", ".join(f"{each.rate:,.0f} {each.unit}" for each in samples)
            beside = f" (beside {session.others} tracers of others)" if session.others else ""
            print(f"{repetition + 1}/{repetitions} {observer.name}: {rates}{beside}", file=sys.stderr)
    found.seconds = round(time.perf_counter() - begun, 1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__, epilog=EPILOG)
    parser.add_argument("--quick", action="store_true", help="short workloads, twice: for trying, not for quoting")
    parser.add_argument("--repetitions", type=int, metavar="N", help="instead of 5 (2 with --quick)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="observers with this in their name")
    parser.add_argument("--on", action="append", default=[], metavar="NAME", help="workloads with this in their name")
    parser.add_argument("--output", type=Path, metavar="FILE", help="keep the results there")
    args = parser.parse_args()

    repetitions = args.repetitions or (2 if args.quick else 5)
    with tempfile.TemporaryDirectory(prefix="memtap-overhead-") as folder:
        found = measure(Path(folder), args.only, args.on, repetitions, quick=args.quick)
    show(found, Console(width=max(150, Console().width)))
    if args.output:
        findings.write(found, args.output)
    elif not (args.quick or args.only or args.on):
        findings.write(found)
        report.write(found)
    wrong = [f"{name}: {what}" for name in found.observers for what in found.unaccounted(name)]
    for line in wrong:
        print(f"does not add up: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
