"""`GET /metrics`: the state of tap and store, the totals and the biggest names, in OpenMetrics text.

A number is a float there: sums of bytes beyond 2^53 lose their last digits, which /api/v1/totals keeps. What is summed
by name is a gauge, not a counter: it falls when a process takes its sums along to another name (exec), or when a name
leaves the top.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast, get_args

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as generate_plain
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, StateSetMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from memtap.api import parameters as p
from memtap.api.by_name import OTHER, NameSums, by_name
from memtap.errors import StoreError
from memtap.status import TapState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from memtap.api.moment import Moment
    from memtap.api.snapshots import Snapshots
    from memtap.status import Reconciliation, Status

TOP_NAMES = 20
PATIENCE_S = 5.0  # for the store: half of what Prometheus waits for an answer
CAUSES = ("tap", "pipe", "ring", "parse", "spool", "store")  # of a loss: there from the beginning, with 0

_END = b"# EOF\n"
_OF_A_NAME: Sequence[tuple[str, str, Callable[[NameSums], int | None]]] = (
    ("requested_bytes", "bytes requested by processes of this name, ended ones too", lambda of: of.requested),
    ("released_bytes", "bytes released by processes of this name, ended ones too", lambda of: of.released),
    ("balance_bytes", "requested - released, of living processes of this name", lambda of: of.balance),
    ("vm_bytes", "mapped bytes as the kernel counts them, of living processes of this name", lambda of: of.vm),
    ("resident_bytes", "bytes in RAM as of each one's newest call, of living processes", lambda of: of.resident),
    ("failed_calls", "calls that the kernel did not grant, ended processes too", lambda of: of.failed),
)


class Metrics:
    """Answers without a store, too: that it is away is a metric."""

    def __init__(self, snapshots: Snapshots, status: Callable[[], Status]) -> None:
        self._snapshots = snapshots
        self._status = status

    async def endpoint(self, request: Request) -> Response:
        """`top`: how many names there are at most."""
        known = {"top": p.integer(1, 1000)}
        query = p.read_query(request.query_params.multi_items(), known)
        top = cast("int", query.get("top", TOP_NAMES))
        openmetrics = wants_openmetrics(request.headers.get("accept", ""))
        stored = await self._stored(top, openmetrics)
        status = self._status()
        up = stored is not None and not status.pipeline.store_error
        body = _text(_state(status, up), openmetrics) + (stored or b"") + (_END if openmetrics else b"")
        content_type = CONTENT_TYPE_LATEST if openmetrics else CONTENT_TYPE_PLAIN_0_0_4
        return Response(body, headers={"Content-Type": content_type, "Vary": "Accept"})

    async def _stored(self, top: int, openmetrics: bool) -> bytes | None:
        """What the store says, serialised once for each of its versions; None while it does not answer."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._snapshots.document(
                    ("metrics", top, openmetrics), lambda moment: _text(_sums(moment, top), openmetrics)
                )
        except (StoreError, TimeoutError):
            return None


class _Families:
    """What `generate_latest` takes for a registry."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def wants_openmetrics(accept: str) -> bool:
    """Unless only the older text format is asked for, as by what is older than OpenMetrics."""
    media_types = {choice.partition(";")[0].strip() for choice in accept.lower().split(",")}
    return "application/openmetrics-text" in media_types or "text/plain" not in media_types


def _text(families: Iterable[Metric], openmetrics: bool) -> bytes:
    if not openmetrics:
        return generate_plain(_Families(families))
    text: bytes = generate_latest(_Families(families))  # type: ignore[no-untyped-call]
    return text.removesuffix(_END)


def _counter(name: str, what: str, value: int) -> Metric:
    return CounterMetricFamily(f"memtap_{name}", what, value=value)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"memtap_{name}", what, value=value)


def _state(status: Status, store_up: bool) -> Iterator[Metric]:
    """Of this memtap, now."""
    tap = status.tap
    states = {state: state == tap.state for state in get_args(TapState)}
    yield StateSetMetricFamily("memtap_tap_state", "what the tap does", value=states)
    yield _gauge("tap_recording", "1: what is shown is a recording, not this machine", int(tap.recording))
    yield _counter("tap_restarts", "times the tap was started again", tap.restarts)
    yield _gauge("store_up", "1: the store takes calls and answers", int(store_up))
    yield _gauge("batches_queued", "batches that wait for the store", status.pipeline.queued)
    calls = CounterMetricFamily("memtap_tap_calls", "calls that the tap told of, since it began", labels=["call"])
    for name, count in status.pipeline.calls.items():
        calls.add_metric([name], count)
    yield calls
    yield _gauge("spool_batches", "batches that wait on disk for the store", status.spool.batches)
    yield _gauge("spool_bytes", "bytes of them", status.spool.bytes)
    yield _counter("spool_dropped_calls", "calls that found no room there", status.spool.dropped)
    if (latest := status.retention.latest) is not None:
        yield _gauge("store_bytes", "bytes of the store on disk, as of the latest housekeeping", latest.bytes_stored)
    if status.reconciliation.time_us:
        yield from _reconciled(status.reconciliation)


def _reconciled(latest: Reconciliation) -> Iterator[Metric]:
    yield _gauge("reconciliation_timestamp_seconds", "time of the latest look at /proc", latest.time_us / 1e6)
    yield _gauge("reconciliation_processes", "processes that lived then", latest.processes)
    yield _gauge("reconciliation_new", "of them the tap had said nothing", latest.new)
    yield _gauge("reconciliation_differing", "of them the tap had said other mapped bytes", latest.differing)
    yield _gauge("reconciliation_difference_bytes", "/proc's mapped bytes less the tap's", latest.difference)


def _sums(moment: Moment, top: int) -> Iterator[Metric]:
    """Of what is stored."""
    totals, rows = moment.totals, moment.processes
    yield _counter("requested_bytes", "bytes requested by all processes", totals.requested)
    yield _counter("released_bytes", "bytes released by all processes", totals.released)
    calls = CounterMetricFamily("memtap_calls", "calls that requested or released memory", labels=["operation"])
    calls.add_metric(["request"], totals.requests)
    calls.add_metric(["release"], totals.releases)
    yield calls
    if moment.failed is not None:
        yield _counter("failed_calls", "calls that the kernel did not grant", moment.failed)
    yield from _identity(moment)
    yield _gauge("processes_seen", "processes that made a call, of all boots", totals.processes)
    states = GaugeMetricFamily("memtap_processes", "processes of each host's newest boot", labels=["state"])
    ended = sum(row.ended_us is not None for row in rows)
    states.add_metric(["living"], len(rows) - ended)
    states.add_metric(["ended"], ended)
    yield states
    inexact = sum(not moment.exactness.of(row) for row in rows)
    yield _gauge("inexact_processes", "of them, those whose sums a loss has touched", inexact)
    yield from _names(by_name(rows, top))


def _identity(moment: Moment) -> Iterator[Metric]:
    """emitted = stored + rejected + lost."""
    account = moment.account
    yield _counter("lines", "lines read from taps and files", account.lines)
    yield _counter("emitted_events", "events stored, rejected or lost", account.emitted)
    yield _counter("stored_events", "events stored", account.stored)
    yield _counter("rejected_lines", "lines that are not whole events", account.rejected)
    lost = CounterMetricFamily("memtap_lost_events", "events known not to have arrived", labels=["cause"])
    for cause, events in (dict.fromkeys(CAUSES, 0) | account.lost).items():
        lost.add_metric([cause], events)
    yield lost


def _names(sums: Sequence[NameSums]) -> Iterator[Metric]:
    for what, meaning, value_of in _OF_A_NAME:
        said = f"{meaning}; {OTHER!r}: of names beyond the top"
        family = GaugeMetricFamily(f"memtap_name_{what}", said, labels=["name"])
        for one in sums:
            if (value := value_of(one)) is not None:
                family.add_metric([one.name], value)
        if family.samples:
            yield family
