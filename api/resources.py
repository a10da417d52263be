"""What there is to ask of the store: address, parameters, and what the answer looks like, each said once.

The router and the OpenAPI document are both made of this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memtap.api import parameters as p
from memtap.api import schemas as s
from memtap.api.calls import calls
from memtap.api.compare import compare
from memtap.api.history import history
from memtap.api.losses import losses
from memtap.api.process_kinds import process_kinds
from memtap.api.processes import obtener_procesos, process, processes
from memtap.api.seconds import seconds
from memtap.api.shares import GROUPS, shares
from memtap.api.timeline import POINTS, timeline
from memtap.api.totals import totals
from memtap.native import CALLS, KINDS


@dataclass(frozen=True, slots=True)
class Resource:
    """An answer that depends on the store and the query alone: cached, with an ETag."""

    path: str
    document: Callable[..., Any]  # (moment, **values of the parameters)
    answer: str  # one of schemas.COMPONENTS
    what: str
    parameters: Mapping[str, p.Parameter] = field(default_factory=dict)
    in_path: Mapping[str, p.Parameter] = field(default_factory=dict)
    required: frozenset[str] = frozenset()  # of `parameters`
    renamed: Mapping[str, str] = field(default_factory=dict)  # parameters whose names Python keeps for itself
    csv: bool = False  # "columns" of the answer can be had as CSV
    statuses: tuple[int, ...] = ()  # errors of its own, beside those that any answer may be

    @property
    def query(self) -> Mapping[str, p.Parameter]:
        return {**self.parameters, "format": FORMAT} if self.csv else self.parameters

    @property
    def schema(self) -> p.Schema:
        return s.ref(self.answer)


WINDOW = {
    "from_us": p.integer(0, p.MAX_US, "beginning of the window, microseconds since the epoch, inclusive"),
    "to_us": p.integer(0, p.MAX_US, "end of the window, microseconds since the epoch, exclusive"),
}
PROCESS_ID = p.integer(0, p.MAX_ID, "id of /api/v1/processes")
FORMAT = p.choice({"json": "json", "csv": "csv"}, "instead of an Accept header")
MOST_STEP_S = 366 * 86_400

RESOURCES: tuple[Resource, ...] = (
    Resource(
        "/api/ObtenerProcesos",
        obtener_procesos,
        "ObtenerProcesos",
        "The processes not known to have ended, most memory first, as the original answered.",
    ),
    Resource(
        "/api/v1/processes",
        processes,
        "Processes",
        "Processes, most balance first: since the beginning, or their sums in a window.",
        {
            "ended": p.choice(
                {"false": False, "true": True, "all": None}, "those not known to have ended (default), ended ones, all"
            ),
            "limit": p.integer(1, 1_000_000, "rows at most; all by default"),
            **WINDOW,
        },
        csv=True,
    ),
    Resource(
        "/api/v1/processes/{process_id}",
        process,
        "Process",
        "One process, with the last hour of its activity.",
        in_path={"process_id": PROCESS_ID},
        statuses=(404,),
    ),
    Resource(
        "/api/v1/processes/{process_id}/kinds",
        process_kinds,
        "ProcessKinds",
        "One process's newest calls, summed by call and kind of mapping.",
        WINDOW,
        in_path={"process_id": PROCESS_ID},
        statuses=(404,),
        csv=True,
    ),
    Resource(
        "/api/v1/timeline",
        timeline,
        "Timeline",
        "Activity of all processes or of one in steps that fit a chart, with what was lost meanwhile. "
        "Without a window: the last hour there is.",
        {
            **WINDOW,
            "points": p.integer(2, 10_000, f"steps at most; {POINTS} by default"),
            "process_id": PROCESS_ID,
        },
        csv=True,
    ),
    Resource(
        "/api/v1/shares",
        shares,
        "Shares",
        "Who has how much of it, and what it is a share of.",
        {
            "by": p.one_of(("process", "name", "user", "cgroup"), "what counts as one; process by default"),
            "of": p.one_of(("requested", "released", "vm", "resident"), "of what; requested by default"),
            "limit": p.integer(1, 100_000, f"groups at most, the rest is summed as other; {GROUPS} by default"),
            **WINDOW,
        },
        csv=True,
    ),
    Resource(
        "/api/v1/compare",
        compare,
        "Compared",
        "Two moments or two windows side by side: what grew, shrank, appeared, ended.",
        {
            "at": p.span("a moment, or a window as FROM-TO; microseconds since the epoch"),
            "with": p.span("the later one, of the same sort; by default now, or the window that follows"),
            "of": p.one_of(("balance", "vm"), "what moments are compared by; balance by default"),
            "limit": p.integer(1, 100_000, "rows at most; 1000 by default"),
        },
        required=frozenset({"at"}),
        renamed={"with": "other"},
        csv=True,
    ),
    Resource(
        "/api/v1/calls",
        calls,
        "Calls",
        "Calls, newest first, a page at a time.",
        {
            "limit": p.integer(1, 1000, "rows at most; by default 100, as CSV all of them"),
            "before": p.cursor("`older` of an answer: the page before it"),
            "after": p.cursor("`newer` of an answer: what has come since"),
            "pid": p.integer(0, p.MAX_PID),
            "process_id": PROCESS_ID,
            "process_name": p.comm("exact, as answers show it"),
            "call": p.one_of(CALLS),
            "kind": p.one_of(KINDS, "of mapping"),
            "failed": p.choice({"true": True, "false": False}),
            "errno": p.integer(0, 65_535, "only calls that failed so; 0: only those known to have been granted"),
            "min_length": p.integer(0, p.MAX_LENGTH, "bytes, inclusive"),
            "max_length": p.integer(0, p.MAX_LENGTH, "bytes, inclusive"),
            **WINDOW,
        },
        csv=True,
    ),
    Resource(
        "/api/v1/totals",
        totals,
        "WindowTotals",
        "Sums over all processes of a window, or since the beginning, and each one's share of them.",
        WINDOW,
    ),
    Resource(
        "/api/v1/history",
        history,
        "History",
        "Activity of all processes or of one, every step that has any. Without a window: the last hour there is.",
        {
            **WINDOW,
            "step": p.integer(1, MOST_STEP_S, "seconds; 1 by default"),
            "process_id": PROCESS_ID,
        },
        csv=True,
    ),
    Resource(
        "/api/v1/seconds",
        seconds,
        "Seconds",
        "The loss identity of each second. Without a window: the last hour there is.",
        WINDOW,
        csv=True,
    ),
    Resource("/api/v1/losses", losses, "Losses", "The newest 1,000 losses, newest first.", csv=True),
)
