"""What a store holds against what was printed: recounted from raw rows, with nothing of memtap's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .numbered import CALLS, KINDS, Event, Trace
from .rows import Query, Row, asking, calls

EVENTS = """
    SELECT e.id, e.time_us, p.pid, p.start_us, n.comm, e.call, e.length, e.freed, e.errno, e.kind, e.vm
    FROM {calls} e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id ORDER BY e.id"""
PROCESSES = """
    SELECT p.pid, p.start_us, n.comm, p.requested, p.released, p.requests, p.releases, p.failed, p.first_us, p.last_us,
           p.vm, COALESCE(p.ended_us, 0)
    FROM processes p LEFT JOIN names n ON n.id = p.name_id"""
SECONDS = """
    SELECT p.pid, p.start_us, r.second, r.requested, r.released, r.requests, r.releases, r.failed, r.vm
    FROM {tier} r JOIN processes p ON p.id = r.process_id"""
STREAMS = "SELECT COALESCE(SUM(stored), 0), COALESCE(SUM(rejected), 0), COALESCE(SUM(lines_read), 0) FROM streams"
BATCHES = "SELECT COALESCE(SUM(stored), 0), COALESCE(SUM(rejected), 0), COALESCE(SUM(lines_read), 0) FROM batches"
ACCOUNT = "SELECT second, SUM(stored) FROM account_1s GROUP BY second"
REJECTED = "SELECT COALESCE(SUM(rejected), 0) FROM account_1s"
LOSSES = "SELECT COALESCE(SUM(events), 0) FROM losses"
LOSS_TOTALS = "SELECT COALESCE(SUM(events), 0) FROM loss_totals"


@dataclass
class Verdict:
    """Of one store. `wrong` says in words what is not as it must be; empty where all is well."""

    emitted: int
    stored: int = 0
    rejected: int = 0
    told: int = 0  # lost, as the store itself says
    missing: int = 0  # printed whole, neither in the store nor told of
    in_flight: int = 0  # at the end of a memtap that was killed: what it had read and not stored
    twice: int = 0
    wrong: list[str] = field(default_factory=list)


def judge(url: str, trace: Trace, whole: int, lives: Sequence[tuple[int, int]] = (), *, steps: bool = False) -> Verdict:
    """The store against the trace's first `whole` lines. `steps`: the clock goes back in it; then a process's latest
    name is one of its latest second, and it does not end before its latest call.

    `lives`: what the memtaps were given that were killed, as ranges of lines. Of each, what was in flight may be
    missing: a part at its end, and nothing before it.
    """
    verdict = Verdict(emitted=whole)
    with asking(url) as query:
        seen = _compare(verdict, query(EVENTS.format(calls=calls(query))), trace, whole, lives)
        exits = {(e.pid, e.start_us): e.time_us for e in trace.events(0, whole) if e.call == b"exit" and not e.bad}
        _recount(verdict, query, seen, exits, steps, 1 + len(lives))
    return verdict


def _compare(
    verdict: Verdict, rows: list[Row], trace: Trace, whole: int, lives: Sequence[tuple[int, int]]
) -> list[Event]:
    """Each row against the event that it must be."""
    expected = {_row(event): event for event in trace.events(0, whole) if not event.bad}
    seen, last = [], -1
    times: Counter[int] = Counter()
    for _, *row in rows:
        event = expected.get(tuple(row))
        if event is None:
            if len(verdict.wrong) < 5:
                verdict.wrong.append(f"a row that was never printed: {row}")
            continue
        times[event.number] += 1
        if event.number < last and len(verdict.wrong) < 5:
            verdict.wrong.append(f"event {event.number} stands after {last}")
        last = event.number
        seen.append(event)
    verdict.stored = len(rows)
    verdict.twice = sum(times.values()) - len(times)
    missing = {event.number for event in expected.values()} - times.keys()
    for begin, end in lives:
        last = max((number for number in range(begin, end) if number in times), default=begin - 1)
        in_flight = {number for number in missing if last < number < end}
        verdict.in_flight += len(in_flight)
        missing -= in_flight
    verdict.missing = len(missing)
    if verdict.twice:
        verdict.wrong.append(f"stored twice: {[number for number, count in times.items() if count > 1][:10]}")
    return seen


def _recount(
    verdict: Verdict,
    query: Query,
    seen: list[Event],
    exits: dict[tuple[int, int], int],
    steps: bool,
    lives: int,
) -> None:
    """All sums that the store keeps, against the sums of its own rows."""
    (streams,), (batches,) = query(STREAMS), query(BATCHES)
    ((losses,),), ((loss_totals,),) = query(LOSSES), query(LOSS_TOTALS)
    verdict.rejected, verdict.told = batches[1], losses
    if not verdict.in_flight:
        verdict.missing -= losses
    if verdict.missing:
        verdict.wrong.append(f"{verdict.missing} of {verdict.emitted} events are missing and not told of")
    if streams != batches:
        verdict.wrong.append(f"the streams' sums {streams} are not those of their batches, {batches}")
    if batches[0] != verdict.stored:
        verdict.wrong.append(f"the batches count {batches[0]} events and {verdict.stored} are stored")
    if losses != loss_totals:
        verdict.wrong.append(f"losses add up to {losses} and their totals to {loss_totals}")
    processes = {row[:2]: row[2:] for row in query(PROCESSES) if row[9]}
    counted = _by_process(seen)
    for key, row in counted.items():
        # Of a batch for which there was no room, who has ended is still told.
        if not row[-1] and key in processes and processes[key][-1] == exits.get(key):
            counted[key] = (*row[:-1], exits[key])
        if steps and key in processes:
            counted[key] = _stepped(seen, key, row, processes[key])
    _differences(verdict, "process", processes, counted)
    for tier, step in (("rollup_1s", 1), ("rollup_1m", 60), ("rollup_1h", 3600)):
        sums = {row[:3]: row[3:] for row in query(SECONDS.format(tier=tier))}
        _differences(verdict, f"{step} s of process", sums, _by_time(seen, step))
    account = {second: (stored,) for second, stored in query(ACCOUNT) if stored}
    _differences(verdict, "account of second", account, _stored_by_second(seen))
    # Of which second a rejected line was, nobody knows of a dropped batch, or before a memtap's first event.
    unknown = verdict.rejected if losses else lives
    if not verdict.rejected - unknown <= (rejected := query(REJECTED)[0][0]) <= verdict.rejected:
        verdict.wrong.append(f"the account of seconds has {rejected} rejected lines, the batches {verdict.rejected}")


def _stepped(seen: list[Event], key: tuple[int, int], row: tuple[Any, ...], stored: tuple[Any, ...]) -> tuple[Any, ...]:
    last_us = row[7]
    names = {e.name for e in seen if (e.pid, e.start_us) == key and e.time_us // 1_000_000 == last_us // 1_000_000}
    name = stored[0] if stored[0] in names else row[0]
    return (name, *row[1:-1], last_us if row[-1] and stored[-1] == last_us else row[-1])


def _differences(verdict: Verdict, what: str, stored: dict[Any, Any], counted: dict[Any, Any]) -> None:
    wrong = [key for key in stored.keys() | counted.keys() if stored.get(key) != counted.get(key)]
    if wrong:
        key = min(wrong)
        verdict.wrong.append(
            f"{len(wrong)} of {len(counted)}: {what} {key} is {stored.get(key)} and its rows say {counted.get(key)}"
        )


def _row(event: Event) -> Row:
    return (
        event.time_us,
        event.pid,
        event.start_us,
        event.name,
        CALLS[event.call],
        event.length,
        event.freed,
        event.errno,
        KINDS.index(event.kind),
        event.vm,
    )


@dataclass
class _Sums:
    requested: int = 0
    released: int = 0
    requests: int = 0
    releases: int = 0
    failed: int = 0
    first_us: int = 2**64
    last_us: int = 0
    name: bytes = b""
    vm: int = 0
    ended_us: int = 0

    def add(self, event: Event) -> None:
        what, size = event.effect
        self.requested += size if what == "requests" else 0
        self.released += size if what == "releases" else 0
        self.requests += what == "requests"
        self.releases += what == "releases"
        self.failed += what == "failed"
        self.first_us = min(self.first_us, event.time_us)
        if event.time_us >= self.last_us:
            self.last_us, self.name, self.vm = event.time_us, event.name, event.vm
        if event.call == b"exit":
            self.ended_us = event.time_us

    @property
    def counts(self) -> tuple[int, ...]:
        return self.requested, self.released, self.requests, self.releases, self.failed


def _by_process(events: Iterable[Event]) -> dict[tuple[int, int], tuple[Any, ...]]:
    sums: dict[tuple[int, int], _Sums] = defaultdict(_Sums)
    for event in events:
        sums[event.pid, event.start_us].add(event)
    return {key: (s.name, *s.counts, s.first_us, s.last_us, s.vm, s.ended_us) for key, s in sums.items()}


def _by_time(events: Iterable[Event], step: int) -> dict[tuple[int, int, int], tuple[Any, ...]]:
    sums: dict[tuple[int, int, int], _Sums] = defaultdict(_Sums)
    for event in events:
        sums[event.pid, event.start_us, event.time_us // 1_000_000 // step * step].add(event)
    return {key: (*s.counts, s.vm) for key, s in sums.items()}


def _stored_by_second(events: Iterable[Event]) -> dict[int, tuple[int]]:
    counts = Counter(event.time_us // 1_000_000 for event in events)
    return {second: (count,) for second, count in counts.items()}
