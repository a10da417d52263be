"""Processes: the original's table, the columnar list, and one process with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.api.encoding import exact, exact_all, exact_or_null
from memtap.api.history import HOUR_S, SECOND_US, held_columns, history_columns, steps, whole_seconds
from memtap.api.problems import Problem
from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtap.api.moment import Moment
    from memtap.stores.contract import ProcessRow

MEGABYTE = 2**20  # bytes


def share(requested: int, requested_all: int) -> float:
    """0 to 1; 0 where nobody requested anything."""
    return requested / requested_all if requested_all else 0.0


def percentage(balance: int, memory_bytes: int) -> float | None:
    """Of the host's total memory; None where nobody knows it (a file's host)."""
    return balance / memory_bytes * 100 if memory_bytes else None


def failed_calls(row: ProcessRow) -> int | None:
    """None where no tap has said what came of its calls: format 1."""
    return None if row.uid is None else row.failed


def obtener_procesos(moment: Moment) -> list[dict[str, object]]:
    """As the original answered: one object a process that has not ended, most memory first."""
    rows = [row for row in moment.processes if row.ended_us is None]
    requested_all, memory = moment.requested_all, _memory_by_host(moment, rows)
    return [
        {
            "pid": row.pid,
            "process_name": display(row.name),
            "memory": row.balance / MEGABYTE,
            "percentage": percentage(row.balance, memory[row.host]),
            "requested": exact(row.requested),
            "released": exact(row.released),
            "share": share(row.requested, requested_all),
            "vm": exact_or_null(row.vm),
        }
        for row in rows
    ]


def processes(
    moment: Moment,
    *,
    ended: bool | None = False,
    limit: int | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
) -> dict[str, object]:
    """Columns, most balance first. `ended`: False for those not known to have ended, None for all.

    With a window, those that made a call in it, their sums within it, and what they hold now."""
    everyone, window = moment.processes, None
    if from_us is not None or to_us is not None:
        last_us = moment.totals.last_us or 0
        window = whole_seconds(from_us or 0, last_us + 1 if to_us is None else to_us)
        everyone = sorted(moment.reader.window(*window), key=lambda row: (-row.balance, row.id))
    rows = [row for row in everyone if ended is None or (row.ended_us is not None) is ended]
    shown = rows[:limit]
    requested_all = moment.requested_all if window is None else sum(row.requested for row in everyone)
    return {
        "version": moment.version,
        "window": dict(zip(("from_us", "to_us"), window or (None, None), strict=True)),
        "memory_bytes": moment.host.memory_bytes,
        "requested_all": exact(requested_all),
        "count": len(shown),
        "total": len(rows),
        "columns": process_columns(moment, shown, requested_all, window),
    }


def process(moment: Moment, *, process_id: int) -> dict[str, object]:
    """One process and the last hour of its activity. Raises Problem 404."""
    row = known_process(moment, process_id)
    to_us = (row.last_us // SECOND_US + 1) * SECOND_US
    from_us = max(0, to_us - HOUR_S * SECOND_US)
    activity = steps(moment.reader, process_id, from_us, to_us, 1)
    held = moment.reader.held(process_id, from_us, to_us)
    columns = process_columns(moment, [row], moment.requested_all)
    return {
        **{name: column[0] for name, column in columns.items()},
        "parent_id": _parent_id(moment, row),
        "cgroup_path": moment.cgroup_path(row),
        "history": history_columns(activity, knows_failed=row.uid is not None)
        | held_columns([step.second for step in activity], held),
    }


def known_process(moment: Moment, process_id: int) -> ProcessRow:
    """Raises Problem 404."""
    row = moment.reader.process(process_id)
    if row is None:
        raise Problem(
            404,
            "no such process",
            parameter="process_id",
            value=str(process_id),
            allowed="an id of /api/v1/processes",
        )
    return row


def _parent_id(moment: Moment, row: ProcessRow) -> int | None:
    """Of the process that had the parent's pid when this one began; None where memtap never saw it."""
    if not row.parent:
        return None
    older = (
        other
        for other in moment.processes
        if other.pid == row.parent
        and other.host == row.host
        and other.start_us <= row.start_us
        and other.id != row.id
        and (other.ended_us is None or other.ended_us >= row.first_us)
    )
    parent = max(older, key=lambda other: other.start_us, default=None)
    return None if parent is None else parent.id


def process_columns(
    moment: Moment,
    rows: Sequence[ProcessRow],
    requested_all: int,
    window: tuple[int, int] | None = None,
) -> dict[str, Sequence[object]]:
    """`requested_all`: what a share is a share of. `window`: that of the rows' sums; None: since the beginning."""
    memory = _memory_by_host(moment, rows)
    return {
        "id": [row.id for row in rows],
        "pid": [row.pid for row in rows],
        "process_name": [display(row.name) for row in rows],
        "balance": exact_all(row.balance for row in rows),
        "requested": exact_all(row.requested for row in rows),
        "released": exact_all(row.released for row in rows),
        "share": [share(row.requested, requested_all) for row in rows],
        "percentage": [percentage(row.balance, memory[row.host]) for row in rows],
        "requests": [row.requests for row in rows],
        "releases": [row.releases for row in rows],
        "failed": [failed_calls(row) for row in rows],
        "exact": [moment.exactness.of(row, window) for row in rows],
        "first_us": [row.first_us for row in rows],
        "last_us": [row.last_us for row in rows],
        "ended_us": [row.ended_us for row in rows],
        "vm": [exact_or_null(row.vm) for row in rows],
        "resident": [exact_or_null(row.resident) for row in rows],
        "uid": [row.uid for row in rows],
        "user": [moment.user(row) for row in rows],
        "cgroup": [row.cgroup for row in rows],
        "parent": [row.parent for row in rows],
        "host": [row.host for row in rows],
    }


def _memory_by_host(moment: Moment, rows: Sequence[ProcessRow]) -> dict[str, int]:
    return {host: moment.memory_bytes(host) for host in {row.host for row in rows}}
