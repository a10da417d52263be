"""JSON Schemas of what the API answers, for its OpenAPI document: the tests hold every answer against them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memtap.api.exactness import LOSSES_READ
from memtap.native import CALLS, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

_TIME = "microseconds since the epoch"


def integer(what: str = "") -> Schema:
    """Of any size: sums of bytes pass 2^64."""
    return _said({"type": "integer"}, what)


def count(what: str = "") -> Schema:
    return _said({"type": "integer", "minimum": 0}, what)


def number(what: str = "") -> Schema:
    return _said({"type": "number"}, what)


def text(what: str = "") -> Schema:
    return _said({"type": "string"}, what)


def boolean(what: str = "") -> Schema:
    return _said({"type": "boolean"}, what)


def one_of(words: Iterable[str], what: str = "") -> Schema:
    return _said({"type": "string", "enum": list(words)}, what)


def or_null(schema: Schema) -> Schema:
    if "enum" in schema:
        return {**schema, "type": [schema["type"], "null"], "enum": [*schema["enum"], None]}
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema, what: str = "") -> Schema:
    return _said({"type": "array", "items": items}, what)


def of(what: str = "", /, *, optional: Iterable[str] = (), **properties: Schema) -> Schema:
    """An object with these properties and no others."""
    left_out = set(optional)
    return _said(
        {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name not in left_out],
            "additionalProperties": False,
        },
        what,
    )


def mapping(values: Schema, what: str = "") -> Schema:
    return _said({"type": "object", "additionalProperties": values}, what)


def columns(what: str = "", /, *, optional: Iterable[str] = (), **cells: Schema) -> Schema:
    """Arrays of one length, one a column."""
    arrays = {name: {"type": "array", "items": _bare(cell), **_description(cell)} for name, cell in cells.items()}
    return of(what or "arrays of one length", optional=optional, **arrays)


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _said(schema: Schema, what: str) -> Schema:
    return {**schema, "description": what} if what else schema


def _description(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}


def _bare(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "description"}


_NAME = text("a name as text from which its bytes can be told again: `\\\\`, `\\n`, `\\xff`, `\\u202e` are escapes")
_SHARE = number("0 to 1")
_EXACT = boolean("no loss has touched the sums")

_PROCESS = {
    "id": count("the store's number for the process; stays the same"),
    "pid": count(),
    "process_name": _NAME,
    "balance": integer("bytes: requested - released"),
    "requested": count("bytes"),
    "released": count("bytes"),
    "share": number("0 to 1: requested of what all processes requested"),
    "percentage": or_null(number("balance in percent of the host's memory; null where that is not known")),
    "requests": count("calls"),
    "releases": count("calls"),
    "failed": or_null(count("calls; null where no tap has said")),
    "exact": _EXACT,
    "first_us": count(_TIME),
    "last_us": count(_TIME),
    "ended_us": or_null(count(_TIME)),
    "vm": or_null(count("bytes, the kernel's own count as of the latest call; null where no tap has said")),
    "resident": or_null(count("bytes in RAM")),
    "uid": or_null(count()),
    "user": or_null(text("the name of uid, where it is one of this machine's")),
    "cgroup": or_null(count("id")),
    "parent": or_null(count("pid")),
    "host": text(),
}

_HISTORY = {
    "second": count("the step's first second, since the epoch; steps without a call are left out"),
    "requested": count("bytes"),
    "released": count("bytes"),
    "requests": count("calls"),
    "releases": count("calls"),
    "failed": or_null(count("calls; null where no tap has said")),
}

_HELD = {
    "vm": or_null(count("bytes, as of the step's last call")),
    "resident": or_null(count("bytes")),
}

COMPONENTS: dict[str, Schema] = {
    "Error": of(
        error=of(
            what=text(),
            parameter=or_null(text("the parameter or header that is wrong")),
            value=or_null(text("what was given, escaped and cut")),
            allowed=or_null(text("what may be given")),
        )
    ),
    "Window": of(
        "whole seconds; null, null: since the beginning",
        from_us=or_null(count(f"{_TIME}, inclusive")),
        to_us=or_null(count(f"{_TIME}, exclusive")),
    ),
    "ObtenerProcesos": array(
        of(
            pid=count(),
            process_name=_NAME,
            memory=number("MB of 2^20 bytes: requested - released"),
            percentage=or_null(number("of the host's memory")),
            requested=count("bytes"),
            released=count("bytes"),
            share=_SHARE,
            vm=or_null(count("bytes")),
        ),
        "processes not known to have ended, most memory first",
    ),
    "Processes": of(
        version=text("changes whenever anything stored changes"),
        window=ref("Window"),
        memory_bytes=count("of the host; 0 where not known"),
        requested_all=count("bytes: what share is a share of"),
        count=count("rows in columns"),
        total=count("rows there are"),
        columns=columns(**_PROCESS),
    ),
    "Process": of(
        **_PROCESS,
        parent_id=or_null(count("the parent's id, where it is known")),
        cgroup_path=or_null(text("below /sys/fs/cgroup, where it is one of this machine's")),
        history=columns("the last hour of its activity", **_HISTORY, **_HELD),
    ),
    "ProcessKinds": of(
        complete=boolean("false: only its newest calls were read"),
        since_us=or_null(count(f"{_TIME}, of the oldest call that was read")),
        columns=columns(
            "most requested first",
            call=one_of(CALLS),
            kind=or_null(one_of(KINDS, "of mapping; null: no tap has said")),
            requested=count("bytes"),
            released=count("bytes"),
            requests=count("calls"),
            releases=count("calls"),
            failed=count("calls"),
        ),
    ),
    "ProcessProc": of(
        "nulls where the process is not one that lives on this machine now",
        time_us=count(_TIME),
        vm=or_null(count("bytes, as /proc has it now")),
        resident=or_null(count("bytes, as /proc has it now")),
        vm_said=or_null(count("bytes, as the tap said last")),
        difference=or_null(integer("bytes: vm - vm_said")),
    ),
    "Seconds": of(
        "emitted = stored + rejected + lost",
        window=ref("Window"),
        columns=columns(
            second=count("since the epoch; those of which there is nothing to say are left out"),
            emitted=count("events"),
            stored=count("events"),
            rejected=count("lines"),
            lost=count("events, by all causes"),
        ),
        lost=mapping(array(count("events")), "by cause, each as long as the columns"),
    ),
    "Calls": of(
        count=count(),
        columns=columns(
            id=count(),
            time_us=count(_TIME),
            process_id=count(),
            pid=count(),
            process_name=_NAME,
            call=one_of(CALLS),
            length=count("bytes asked for"),
            freed=or_null(count("bytes given back")),
            errno=or_null(count("0: granted; null where no tap has said")),
            error=or_null(text("what errno(3) calls it")),
            kind=or_null(one_of(KINDS, "of mapping")),
            vm=or_null(count("bytes, the process's after the call")),
        ),
        older=or_null(text("give it as `before` for the next page; null: there is none")),
        newer=or_null(text("give it as `after` for what has come since")),
        searched_us=or_null(
            count("where the search ended: later calls were looked at, `older` goes on; null: full, or all looked at")
        ),
    ),
    "Totals": of(
        requested=count("bytes"),
        released=count("bytes"),
        requests=count("calls"),
        releases=count("calls"),
        failed=or_null(count("calls; null where no tap has said")),
        exact=_EXACT,
        processes=count("that made a call"),
        first_us=or_null(count(_TIME)),
        last_us=or_null(count(_TIME)),
    ),
    "WindowTotals": of(
        window=ref("Window"),
        totals=ref("Totals"),
        shares=columns(
            id=count(),
            pid=count(),
            process_name=_NAME,
            requested=count("bytes"),
            released=count("bytes"),
            share=_SHARE,
        ),
    ),
    "History": of(
        window=ref("Window"),
        step=count("seconds"),
        columns=columns(**_HISTORY),
    ),
    "Timeline": of(
        window=ref("Window"),
        step=count("seconds"),
        columns=columns(optional=_HELD, **_HISTORY, **_HELD),
        losses=columns(
            "spans in which events are known to be missing; near ones of one cause are one",
            from_us=count(_TIME),
            to_us=count(_TIME),
            cause=text("tap, pipe, ring, parse, spool, store"),
            events=count("0: nobody knows how many"),
            losses=count("how many were joined"),
            detail=text("of the latest"),
        ),
    ),
    "Shares": of(
        window=ref("Window"),
        by=one_of(("process", "name", "user", "cgroup")),
        of=one_of(("requested", "released", "vm", "resident")),
        total=count("bytes: what each share is a share of"),
        what=text("the same in words"),
        count=count("groups in columns"),
        columns=columns(
            "most first",
            optional=("id", "pid", "process_name", "uid", "user", "cgroup", "path"),
            label=text("for people"),
            value=count("bytes"),
            share=_SHARE,
            processes=count(),
            id=count(),
            pid=count(),
            process_name=_NAME,
            uid=or_null(count("null: no tap has said")),
            user=or_null(text()),
            cgroup=or_null(count("id; null: no tap has said")),
            path=or_null(text("below /sys/fs/cgroup")),
        ),
        other=of("what is not in columns", value=count("bytes"), share=_SHARE, groups=count(), processes=count()),
    ),
    "Compared": of(
        of=one_of(
            ("balance", "vm", "requested"),
            "what before and after are: of moments the balance or, as the kernel counts it, vm; of windows requested",
        ),
        at=ref("Window"),
        **{"with": ref("Window")},
        totals=of(
            "of the processes whose change is known",
            before=integer("bytes"),
            after=integer("bytes"),
            change=integer("bytes"),
        ),
        states=of(
            grew=count(),
            shrank=count(),
            appeared=count(),
            ended=count(),
            unknown=count("there at both moments, and at one of them nobody knows how much it held"),
            same=count(),
        ),
        count=count("rows in columns"),
        columns=columns(
            "most change first; what stayed the same is left out",
            id=count(),
            pid=count(),
            process_name=_NAME,
            state=one_of(("grew", "shrank", "appeared", "ended", "unknown")),
            before=or_null(integer("bytes; null: appeared since, or else nobody knows")),
            after=or_null(integer("bytes; null: has ended, or else nobody knows")),
            change=or_null(integer("bytes; null: nobody knows")),
            exact=_EXACT,
            first_us=count(_TIME),
            ended_us=or_null(count(_TIME)),
        ),
    ),
    "Losses": of(
        columns=columns(
            "newest first",
            time_us=count(_TIME),
            cause=text("tap, pipe, ring, parse, spool, store"),
            events=count("0: nobody knows how many"),
            detail=text(),
        )
    ),
    "Status": of(
        version=text("changes whenever anything stored changes"),
        time_us=count(_TIME),
        host=of(name=text(), memory_bytes=count()),
        tap=of(
            name=text(),
            state=one_of(("starting", "running", "restarting", "ended", "none")),
            recording=boolean("what is shown is a recording, not this machine"),
            message=text(),
            restarts=count(),
            stderr=array(text()),
            left_out=array(count("pid")),
            gap_since_us=or_null(count(f"{_TIME}: since then nothing is seen; null: the tap is up")),
        ),
        store=of(
            url=text(),
            state=one_of(("ok", "away")),
            error=text(),
            bytes=or_null(count("on disk, as of the latest housekeeping; null: there was none")),
            oldest_us=or_null(count(f"{_TIME}, of the oldest call kept")),
        ),
        spool=of(
            "batches that wait on disk for the store",
            state=one_of(("off", "empty", "spooling", "draining", "full", "failing")),
            path=text(),
            batches=count(),
            bytes=count(),
            limit=count("bytes"),
            oldest_us=or_null(count(_TIME)),
            damaged=count("places that could not be read"),
            dropped=count("calls that found no room"),
            error=text(),
        ),
        retention=of(
            "what is kept for how long; null: for ever, or without a limit",
            keep_events_s=or_null(count()),
            keep_bytes=or_null(count()),
            keep_rollups_s=or_null(count()),
            latest_us=or_null(count(f"{_TIME}, of the latest housekeeping")),
            events_dropped=or_null(count("by it")),
            error=text(),
        ),
        memory=or_null(of("of this machine, now", total_bytes=count(), available_bytes=count())),
        account=of(
            "emitted = stored + rejected + lost",
            lines=count(),
            emitted=count(),
            stored=count(),
            rejected=count(),
            notices=count(),
            lost=mapping(count(), "by cause"),
            gaps=count(f"losses of which nobody knows how many events they are, of the newest {LOSSES_READ:,} losses"),
        ),
        pipeline=of(
            "since this memtap started",
            lines=count(),
            events=count(),
            stored=count(),
            rejected=count(),
            notices=count(),
            lost=mapping(count()),
            batches=count(),
            queued=count("batches that wait for the store"),
            calls=mapping(count(), "by name"),
        ),
        totals=ref("Totals"),
        rates=of(
            calls_per_s=number(),
            requested_per_s=number(),
            released_per_s=number(),
            kinds=mapping(number(), "calls per second by name; empty where nothing is tapped"),
        ),
        last_minute=of(
            "what arrived in the last minute, or since this memtap started",
            seconds=number("how long that is"),
            requested=count("bytes"),
            released=count("bytes"),
            requests=count("calls"),
            releases=count("calls"),
            failed=or_null(count("calls; null where no tap has said")),
        ),
        reconciliation=or_null(
            of(
                time_us=count(_TIME),
                processes=count(),
                new=count(),
                differing=count(),
                difference=integer("bytes"),
                largest=array(array({"type": ["integer", "string"]}), "pid, name, bytes"),
            )
        ),
        samples=array(text(), "the newest rejected lines"),
    ),
    "Health": of(ok=boolean(), tap=text(), store=one_of(("ok", "away")), error=text()),
}
