"""The application: which address answers what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from memtap.api import openapi
from memtap.api import parameters as p
from memtap.api.access import Access
from memtap.api.authentication import Authentication
from memtap.api.calls import calls
from memtap.api.downloads import MEDIA_TYPE as CSV
from memtap.api.downloads import CallDownloads, csv_table, disposition, wants_csv
from memtap.api.encoding import dumps
from memtap.api.frontend import Frontend
from memtap.api.gate import Gate
from memtap.api.headers import SecurityHeaders
from memtap.api.live import Live
from memtap.api.login import LoginPage
from memtap.api.metrics import Metrics
from memtap.api.problems import Problem, failure_answer, problem_answer
from memtap.api.proc import process_proc
from memtap.api.processes import known_process
from memtap.api.pulse import Pulse
from memtap.api.resources import RESOURCES, Resource
from memtap.api.snapshots import Snapshots
from memtap.errors import StoreError

if TYPE_CHECKING:
    from memtap.api.moment import Moment
    from memtap.api.settings import Settings
    from memtap.status import Status
    from memtap.stores.contract import Reader

SETTLE_S = 0.4  # for reads of the store that are under way when the server stops

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(reader: Reader, status: Callable[[], Status], settings: Settings) -> Starlette:
    """The API and the dashboard over a store.

    `reader` is used from several threads; closing it stays with the caller. `status` is called from the
    event loop, once a second and more: it must not block. The application's clock runs in its lifespan.
    """
    snapshots = Snapshots(reader, settings.stale_s)
    pulse = Pulse(snapshots, status, settings)
    live = Live(pulse, settings)
    access = Access(settings)
    login = LoginPage(access)
    described = openapi.document(RESOURCES)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        clock = asyncio.create_task(live.run())
        yield
        live.close()
        clock.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clock
        await snapshots.settle(SETTLE_S)

    app = Starlette(
        routes=[
            Route("/login", login.exchange, methods=["GET", "POST"]),
            Route("/login.css", login.stylesheet),
            *_store_routes(snapshots),
            *_state_routes(snapshots, pulse, live, described),
            Route("/metrics", Metrics(snapshots, status).endpoint),
            Route("/api/{rest:path}", _not_found),
            Mount("/", Frontend()),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Gate, settings, post_paths=("/login",)),
            Middleware(Authentication, access, login),
        ],
        exception_handlers={
            Problem: problem_answer,
            HTTPException: problem_answer,
            StoreError: problem_answer,
            Exception: failure_answer,
        },
        lifespan=lifespan,
    )
    app.state.openapi = described
    app.state.live = live
    app.state.snapshots = snapshots
    app.state.access = access
    return app


def one_time_code(app: Starlette) -> str:
    """What stands in for the token in an address, once: safe where others may read the address."""
    access: Access = app.state.access
    return access.issue_code()


def _store_routes(snapshots: Snapshots) -> list[Route]:
    """Answers that depend on the store and the query alone: cached, with an ETag."""
    return [Route(resource.path, _cached(snapshots, resource)) for resource in RESOURCES]


def _cached(snapshots: Snapshots, resource: Resource) -> Endpoint:
    downloads = CallDownloads(snapshots)
    vary = "Accept, Accept-Encoding" if resource.csv else "Accept-Encoding"

    async def endpoint(request: Request) -> Response:
        values = p.read_query(request.query_params.multi_items(), resource.query, resource.required)
        values |= p.read_query(request.path_params.items(), resource.in_path)
        named = {resource.renamed.get(name, name): value for name, value in values.items()}
        as_csv = resource.csv and wants_csv(named.pop("format", None), request.headers.get("accept", ""))
        if as_csv and resource.document is calls:
            return downloads.response(named)

        def serialised(moment: Moment) -> bytes:
            document = resource.document(moment, **named)
            return csv_table(document["columns"]) if as_csv else dumps(document)

        key = (resource.path, as_csv, tuple(sorted(named.items())))
        media_type = CSV if as_csv else "application/json"
        answer = await snapshots.response(request, key, serialised, media_type=media_type, vary=vary)
        if as_csv:
            answer.headers["Content-Disposition"] = disposition(resource.path.rpartition("/")[2])
        return answer

    return endpoint


def _state_routes(snapshots: Snapshots, pulse: Pulse, live: Live, described: bytes) -> list[Route]:
    """Answers that change with every second."""

    async def status(request: Request) -> Response:
        p.read_query(request.query_params.multi_items(), {})
        await pulse.refresh()
        return Response(pulse.document(), media_type="application/json")

    async def health(request: Request) -> Response:
        p.read_query(request.query_params.multi_items(), {})
        await pulse.refresh()
        known = pulse.health()
        return Response(dumps(known), 200 if known["ok"] else 503, media_type="application/json")

    async def description(request: Request) -> Response:
        p.read_query(request.query_params.multi_items(), {})
        return Response(described, media_type="application/json")

    in_path = {"process_id": p.integer(0, p.MAX_ID)}

    async def proc(request: Request) -> Response:
        p.read_query(request.query_params.multi_items(), {})
        process_id = cast("int", p.read_query(request.path_params.items(), in_path)["process_id"])
        moment = await snapshots.moment()
        text = await snapshots.in_thread(lambda: dumps(process_proc(moment, known_process(moment, process_id))))
        return Response(text, media_type="application/json")

    return [
        Route("/api/v1/processes/{process_id}/proc", proc),
        Route("/api/v1/openapi.json", description),
        Route("/api/v1/status", status),
        Route("/api/v1/live", live.endpoint),
        Route("/api/v1/health", health),
    ]


async def _not_found(request: Request) -> Response:
    raise Problem(404, "no such address", parameter="path", value=request.url.path)
