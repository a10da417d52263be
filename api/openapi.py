"""The OpenAPI document, made of the table that the router is made of."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from memtap.api import parameters as p
from memtap.api import schemas as s
from memtap.api.downloads import MEDIA_TYPE as CSV
from memtap.api.encoding import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memtap.api.resources import Resource

_ERRORS = {
    400: "a parameter or a header is wrong: which, its value, what is allowed",
    401: "the token is missing or wrong",
    404: "there is no such thing",
    405: "nothing here is changed by any method",
    421: "the Host is none that memtap serves",
    500: "the store refuses, or memtap failed",
    503: "the store is away, or memtap is stopping or busy",
}
_COMMON = (400, 401, 405, 421, 500, 503)

_DESCRIPTION = """\
Who is asking the kernel for memory, who still holds it, and what did it look like ten minutes ago?

Times are microseconds since the epoch, sizes bytes, each as an integer of any size: sums pass 2^64. Lists come as
columns: arrays of one length. Names are text with escapes (`\\\\`, `\\n`, `\\xff`, `\\u202e`) that lead back
to their bytes.
Answers that depend on the store carry an ETag; send it as If-None-Match, and 304 says that nothing has changed.
While the store changes faster than an answer is made, that of a moment ago is given, of a few seconds ago at most: the
header Age says so. 0: it is the newest.
"""

_CSV = (
    "The columns. Text that a spreadsheet would take for a formula, or that begins with an apostrophe, has an "
    "apostrophe before it; control bytes and bytes that are not UTF-8 are escaped as in JSON."
)


def document(resources: Iterable[Resource]) -> bytes:
    paths: dict[str, p.Schema] = {resource.path: _path(resource) for resource in resources}
    return dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "memtap",
                "version": version("memtap"),
                "description": _DESCRIPTION,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}, {"cookie": []}],
            "paths": paths | _STATE,
            "components": {
                "schemas": s.COMPONENTS,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "cookie": {
                        "type": "apiKey",
                        "in": "cookie",
                        "name": "memtap-PORT",
                        "description": "what /login exchanges the token for",
                    },
                },
            },
        }
    )


def _path(resource: Resource) -> p.Schema:
    content = {"application/json": {"schema": resource.schema}}
    if resource.csv:
        content[CSV] = {"schema": s.text(_CSV)}
    operation = _operation(
        resource.path,
        resource.what,
        content,
        [
            *_parameters(resource.in_path, "path", resource.in_path),
            *_parameters(resource.query, "query", resource.required),
        ],
        (*_COMMON, *resource.statuses),
    )
    operation["responses"]["304"] = {"description": "nothing has changed since the ETag in If-None-Match"}
    operation["responses"]["200"]["headers"] = {
        "ETag": {"schema": s.text()},
        "Age": {
            "schema": s.count("seconds, rounded up, for which there may have been a newer answer; 0: there is none")
        },
    }
    return {"get": operation}


def _operation(
    path: str, what: str, content: p.Schema, parameters: list[p.Schema], errors: Iterable[int] = _COMMON
) -> p.Schema:
    refused = {"application/json": {"schema": s.ref("Error")}}
    return {
        "operationId": path.strip("/").replace("/", "_").replace("{", "").replace("}", "").replace(".", "_"),
        "summary": what,
        "parameters": parameters,
        "responses": {
            "200": {"description": "the answer", "content": content},
            **{str(status): {"description": _ERRORS[status], "content": refused} for status in sorted(errors)},
        },
    }


def _parameters(known: Mapping[str, p.Parameter], where: str, required: Iterable[str]) -> Iterable[p.Schema]:
    needed = set(required)
    for name, parameter in known.items():
        yield {
            "name": name,
            "in": where,
            "required": name in needed,
            "schema": parameter.schema,
            "description": parameter.what or parameter.allowed,
        }


def _json(path: str, what: str, name: str) -> p.Schema:
    return {"get": _operation(path, what, {"application/json": {"schema": s.ref(name)}}, [])}


def _state_paths() -> p.Schema:
    """Answers that change with every second."""
    health = _json("/api/v1/health", "Whether calls are being kept and can be shown.", "Health")
    health["get"]["responses"]["503"]["content"]["application/json"] = {
        "schema": {"anyOf": [s.ref("Health"), s.ref("Error")]}
    }
    stream = {"text/event-stream": {"schema": s.text("events named `status`, whose data are a Status each")}}
    top = {"top": p.integer(1, 1000, "names at most; 20 by default")}
    metrics = {
        "application/openmetrics-text; version=1.0.0; charset=utf-8": {"schema": s.text("OpenMetrics")},
        "text/plain; version=0.0.4; charset=utf-8": {"schema": s.text("for what is older")},
    }
    self_ = {"application/json": {"schema": {"type": "object"}}}
    proc = _operation(
        "/api/v1/processes/{process_id}/proc",
        "What /proc says of a process now, beside what the tap has said.",
        {"application/json": {"schema": s.ref("ProcessProc")}},
        list(_parameters({"process_id": p.integer(0, p.MAX_ID, "id of /api/v1/processes")}, "path", ("process_id",))),
        (*_COMMON, 404),
    )
    return {
        "/api/v1/processes/{process_id}/proc": {"get": proc},
        "/api/v1/status": _json("/api/v1/status", "The state of tap, pipeline and store, and the totals.", "Status"),
        "/api/v1/health": health,
        "/api/v1/live": {"get": _operation("/api/v1/live", "A Status every second.", stream, [])},
        "/api/v1/openapi.json": {"get": _operation("/api/v1/openapi.json", "This document.", self_, [])},
        "/metrics": {
            "get": _operation("/metrics", "For Prometheus: never a PID.", metrics, list(_parameters(top, "query", ())))
        },
    }


_STATE = _state_paths()
