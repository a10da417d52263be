"""Processes: the original's table, the columnar list, and one process with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.api.encoding import exact, exact_all, exact_or_null
from memtap.api.history import HOUR_S, SECOND_US, held_columns, history_columns
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


def processes(moment: Moment, *, ended: bool | None = False, limit: int | None = None) -> dict[str, object]:
    """Columns, most balance first. `ended`: False for those not known to have ended, None for all."""
    rows = [row for row in moment.processes if ended is None or (row.ended_us is not None) is ended]
    shown = rows[:limit]
    return {
        "version": moment.version,
        "memory_bytes": moment.host.memory_bytes,
        "requested_all": exact(moment.requested_all),
        "count": len(shown),
        "total": len(rows),
        "columns": process_columns(moment, shown),
    }


def process(moment: Moment, *, process_id: int) -> dict[str, object]:
    """One process and the last hour of its activity. Raises Problem 404."""
    row = moment.reader.process(process_id)
    if row is None:
        raise Problem(
            404,
            "no such process",
            parameter="process_id",
            value=str(process_id),
            allowed="an id of /api/v1/processes",
        )
    to_us = (row.last_us // SECOND_US + 1) * SECOND_US
    from_us = max(0, to_us - HOUR_S * SECOND_US)
    activity = moment.reader.history(process_id, from_us, to_us)
    held = moment.reader.held(process_id, from_us, to_us)
    columns = process_columns(moment, [row])
    return {
        **{name: column[0] for name, column in columns.items()},
        "history": history_columns(activity) | held_columns([second for second, *_ in activity], held),
    }


def process_columns(moment: Moment, rows: Sequence[ProcessRow]) -> dict[str, Sequence[object]]:
    requested_all = moment.requested_all
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
        "exact": [moment.exactness.of(row) for row in rows],
        "first_us": [row.first_us for row in rows],
        "last_us": [row.last_us for row in rows],
        "ended_us": [row.ended_us for row in rows],
        "vm": [exact_or_null(row.vm) for row in rows],
        "resident": [exact_or_null(row.resident) for row in rows],
        "uid": [row.uid for row in rows],
        "cgroup": [row.cgroup for row in rows],
        "parent": [row.parent for row in rows],
        "host": [row.host for row in rows],
    }


def _memory_by_host(moment: Moment, rows: Sequence[ProcessRow]) -> dict[str, int]:
    return {host: moment.memory_bytes(host) for host in {row.host for row in rows}}
