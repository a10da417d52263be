"""Who has how much of it: by process, name, user or cgroup, and of what each figure is a share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from memtap.api.encoding import exact, exact_all, printable
from memtap.api.history import whole_seconds
from memtap.api.problems import Problem
from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from memtap.api.moment import Moment
    from memtap.stores.contract import ProcessRow

By = Literal["process", "name", "user", "cgroup"]
Of = Literal["requested", "released", "vm", "resident"]

GROUPS = 100  # unless asked for more

_WHAT: dict[Of, str] = {
    "requested": "bytes requested by all processes",
    "released": "bytes released by all processes",
    "vm": "mapped bytes of all living processes, as the kernel counts them",
    "resident": "bytes in RAM of all living processes; what several share counts for each",
}


@dataclass(slots=True)
class Group:
    """Processes that count as one."""

    first: ProcessRow
    value: int = 0
    processes: int = 0


@dataclass(slots=True)
class Shared:
    """All of it, in groups, most first."""

    total: int = 0
    groups: list[Group] = field(default_factory=list)


def shares(
    moment: Moment,
    *,
    by: By = "process",
    of: Of = "requested",
    from_us: int | None = None,
    to_us: int | None = None,
    limit: int = GROUPS,
) -> dict[str, object]:
    """Of a window, widened to whole seconds, or since the beginning; vm and resident are of now."""
    window, rows = _rows(moment, of, from_us, to_us)
    shared = _shared(rows, _key(by), of)
    shown, rest = shared.groups[:limit], shared.groups[limit:]
    left = sum(group.value for group in rest)
    return {
        "window": dict(zip(("from_us", "to_us"), window, strict=True)),
        "by": by,
        "of": of,
        "total": exact(shared.total),
        "what": _WHAT[of] + ("" if window == (None, None) else " in the window"),
        "count": len(shown),
        "columns": {
            **_columns(moment, by, shown),
            "value": exact_all(group.value for group in shown),
            "share": [_part(group.value, shared.total) for group in shown],
            "processes": [group.processes for group in shown],
        },
        "other": {
            "value": exact(left),
            "share": _part(left, shared.total),
            "groups": len(rest),
            "processes": sum(group.processes for group in rest),
        },
    }


def _rows(
    moment: Moment, of: Of, from_us: int | None, to_us: int | None
) -> tuple[tuple[int | None, int | None], Sequence[ProcessRow]]:
    if from_us is None and to_us is None:
        return (None, None), moment.processes
    if of in ("vm", "resident"):
        raise Problem(
            400,
            f"{of} is known of now, not of a window",
            parameter="of",
            value=of,
            allowed="requested or released, or no from_us and to_us",
        )
    window = whole_seconds(from_us or 0, (moment.totals.last_us or 0) + 1 if to_us is None else to_us)
    return window, moment.reader.window(*window)


def _shared(rows: Iterable[ProcessRow], key: Callable[[ProcessRow], Hashable], of: Of) -> Shared:
    groups: dict[Hashable, Group] = {}
    total = 0
    for row in rows:
        value = _value(row, of)
        if not value:
            continue
        group = groups.setdefault(key(row), Group(row))
        group.value += value
        group.processes += 1
        total += value
    return Shared(total, sorted(groups.values(), key=lambda group: (-group.value, group.first.id)))


def _value(row: ProcessRow, of: Of) -> int:
    if of == "requested":
        return row.requested
    if of == "released":
        return row.released
    if row.ended_us is not None:  # an ended process holds nothing
        return 0
    return (row.vm if of == "vm" else row.resident) or 0


def _key(by: By) -> Callable[[ProcessRow], Hashable]:
    if by == "process":
        return lambda row: row.id
    if by == "name":
        return lambda row: row.name
    if by == "user":  # uid 0 of one host is not that of another
        return lambda row: (row.host, row.uid)
    return lambda row: (row.host, row.cgroup)


def _columns(moment: Moment, by: By, groups: Sequence[Group]) -> dict[str, Sequence[object]]:
    firsts = [group.first for group in groups]
    names = [display(row.name) for row in firsts]
    if by == "process":
        return {
            "label": [f"{name} ({row.pid})" for name, row in zip(names, firsts, strict=True)],
            "id": [row.id for row in firsts],
            "pid": [row.pid for row in firsts],
            "process_name": names,
        }
    if by == "name":
        return {"label": names, "process_name": names}
    if by == "user":
        users = [moment.user(row) for row in firsts]
        labels = [
            user or ("not known" if row.uid is None else f"uid {row.uid}")
            for user, row in zip(users, firsts, strict=True)
        ]
        own: dict[str, Sequence[object]] = {"uid": [row.uid for row in firsts], "user": users}
    else:
        paths = [moment.cgroup_path(row) for row in firsts]
        labels = [
            path or ("not known" if row.cgroup is None else f"cgroup {row.cgroup}")
            for path, row in zip(paths, firsts, strict=True)
        ]
        own = {"cgroup": [row.cgroup for row in firsts], "path": paths}
    if len({row.host for row in firsts}) > 1:
        labels = [f"{label} on {printable(row.host)}" for label, row in zip(labels, firsts, strict=True)]
    return {"label": labels, **own}


def _part(value: int, total: int) -> float:
    return value / total if total else 0.0
