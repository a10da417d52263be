"""The state of tap, pipeline and store, read once a tick and serialised once for all clients."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from memtap.api import owners, proc
from memtap.api.encoding import dumps, exact, printable
from memtap.api.moment import UNKNOWN_HOST
from memtap.api.totals import totals_object
from memtap.errors import StoreError
from memtap.names import display
from memtap.stores.contract import Account, Host, Retention, Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtap.api.moment import Moment
    from memtap.api.settings import Settings
    from memtap.api.snapshots import Snapshots
    from memtap.status import PipelineStatus, Reconciliation, SpoolStatus, Status, TapStatus
    from memtap.stores.retention import RetentionStatus

_log = logging.getLogger(__name__)

SILENT_S = 5.0  # a store that has not answered for so long is shown as away
RATE_TICKS = 5  # a rate is over so many ticks: batches arrive in bursts
MINUTE_S = 60.0


NO_TOTALS = Totals(0, 0, 0, 0, 0, None, None)
NO_ACCOUNT = Account(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What was last read from the store."""

    version: str = ""
    host: Host = UNKNOWN_HOST
    totals: Totals = NO_TOTALS
    failed: int | None = None  # calls; None: no tap has said
    exact: bool = True  # the totals: no loss has touched them
    account: Account = NO_ACCOUNT
    gaps: int = 0  # losses of unknown size


def _facts(moment: Moment, before: StoreFacts) -> StoreFacts:
    # Once a tap has said what came of calls, that is known for good: no need to look at every process again.
    failed = moment.failed if before.failed is None else moment.totals.failed
    return StoreFacts(
        version=moment.version,
        host=moment.host,
        totals=moment.totals,
        failed=failed,
        exact=moment.exactness.everywhere,
        account=moment.account,
        gaps=sum(not loss.events for loss in moment.losses),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """The totals at one tick."""

    at_s: float  # monotonic
    totals: Totals
    calls: dict[str, int]  # by name, of the tap


class Pulse:
    """The status document and what it is made of.

    While the store is away, the last known facts are shown, and that it is away."""

    def __init__(self, snapshots: Snapshots, status: Callable[[], Status], settings: Settings) -> None:
        self._snapshots = snapshots
        self._status = status
        self._settings = settings
        self._facts = StoreFacts()
        self._error = ""
        self._reading: asyncio.Task[None] | None = None
        self._reading_since_s = 0.0
        self._samples: deque[Sample] = deque()

    async def tick(self) -> bytes:
        """Refresh, take a sample for the rates, and give the document."""
        await self.refresh()
        if self._facts.version:
            self._sample(Sample(time.monotonic(), self._facts.totals, self._status().pipeline.calls))
        return self.document()

    def _sample(self, newest: Sample) -> None:
        """Keep those of the last minute, and the one before them."""
        self._samples.append(newest)
        while len(self._samples) > 2 and self._samples[1].at_s <= newest.at_s - MINUTE_S:
            self._samples.popleft()

    async def refresh(self) -> None:
        """Read the store, waiting for half a tick at most: a store that hangs must not stop the clock."""
        if self._reading is None:
            self._reading_since_s = time.monotonic()
            self._reading = asyncio.create_task(self._read())
        reading = self._reading
        # Before the first answer there is nothing to show instead.
        patience_s = self._settings.tick_s / 2 if self._facts.version else SILENT_S
        await asyncio.wait({reading}, timeout=patience_s)
        if reading.done() and self._reading is reading:
            self._reading = None

    async def _read(self) -> None:
        try:
            moment = await self._snapshots.moment()
            if moment.version != self._facts.version or self._error:
                self._facts = await self._snapshots.in_thread(lambda: _facts(moment, self._facts))
            self._error = ""
        except StoreError as error:
            self._error = printable(str(error)) or "the store does not answer"
        except Exception:
            _log.exception("reading the store's state failed")
            self._error = "reading the store failed; memtap's log says more"

    @property
    def store_error(self) -> str:
        """Why the store cannot be read; empty while it can."""
        silent_s = time.monotonic() - self._reading_since_s
        if self._reading is not None and silent_s > SILENT_S:
            return f"no answer for {silent_s:.0f} s"
        return self._error

    def document(self) -> bytes:
        """What /api/v1/status answers and /api/v1/live sends."""
        status, facts = self._status(), self._facts
        error = self.store_error or printable(status.pipeline.store_error)
        return dumps(
            {
                "version": facts.version,
                "time_us": time.time_ns() // 1000,
                "host": {"name": facts.host.name, "memory_bytes": facts.host.memory_bytes},
                "memory": proc.memory() if owners.is_here(facts.host.name) else None,
                "tap": _tap_object(status.tap),
                "store": {
                    "url": printable(self._settings.store_url),
                    "state": "away" if error else "ok",
                    "error": error,
                    **_stored_object(status.retention),
                },
                "spool": _spool_object(status.spool),
                "retention": _retention_object(status.retention),
                "account": _account_object(facts.account, facts.gaps),
                "pipeline": _pipeline_object(status.pipeline),
                "totals": totals_object(facts.totals, facts.failed, facts.exact),
                "rates": self._rates(),
                "last_minute": self._last_minute(),
                "reconciliation": _reconciliation_object(status.reconciliation),
                "samples": [display(sample) for sample in status.pipeline.samples],
            }
        )

    def health(self) -> dict[str, object]:
        """Whether calls are being kept and can be shown."""
        status = self._status()
        error = self.store_error or printable(status.pipeline.store_error)
        return {
            "ok": not error and status.tap.state != "restarting",
            "tap": status.tap.state,
            "store": "away" if error else "ok",
            "error": error or (printable(status.tap.message) if status.tap.state == "restarting" else ""),
        }

    def _rates(self) -> dict[str, object]:
        if len(self._samples) < 2:
            return {"calls_per_s": 0.0, "requested_per_s": 0.0, "released_per_s": 0.0, "kinds": {}}
        now = self._samples[-1]
        then = self._samples[max(0, len(self._samples) - 1 - RATE_TICKS)]
        seconds = max(now.at_s - then.at_s, 1e-9)
        since = _since(then.totals, now.totals)
        return {
            "calls_per_s": (since.requests + since.releases) / seconds,
            "requested_per_s": since.requested / seconds,
            "released_per_s": since.released / seconds,
            "kinds": {name: (calls - then.calls.get(name, 0)) / seconds for name, calls in now.calls.items() if calls},
        }

    def _last_minute(self) -> dict[str, object]:
        """What arrived in it, whenever it was made: a file that is being read arrives now."""
        then, now = (self._samples[0], self._samples[-1]) if self._samples else (None, None)
        since = NO_TOTALS if then is None or now is None else _since(then.totals, now.totals)
        return {
            "seconds": 0.0 if then is None or now is None else now.at_s - then.at_s,
            "requested": exact(since.requested),
            "released": exact(since.released),
            "requests": since.requests,
            "releases": since.releases,
            "failed": None if self._facts.failed is None else since.failed,
        }


def _since(then: Totals, now: Totals) -> Totals:
    """What came between; housekeeping may have taken some of `then` away."""
    grown = {
        name: max(0, getattr(now, name) - getattr(then, name))
        for name in ("requested", "released", "requests", "releases", "failed")
    }
    return replace(NO_TOTALS, **grown)


def _stored_object(status: RetentionStatus) -> dict[str, object]:
    latest = status.latest
    return {
        "bytes": None if latest is None else latest.bytes_stored,
        "oldest_us": None if latest is None else latest.oldest_us,
    }


def _spool_object(spool: SpoolStatus) -> dict[str, object]:
    return asdict(spool) | {
        "path": printable(spool.path),
        "oldest_us": spool.oldest_us or None,
        "error": printable(spool.error),
    }


def _retention_object(status: RetentionStatus) -> dict[str, object]:
    return {
        **(status.retention or Retention())._asdict(),
        "latest_us": status.latest_us or None,
        "events_dropped": None if status.latest is None else status.latest.events_dropped,
        "error": printable(status.error),
    }


def _reconciliation_object(latest: Reconciliation) -> dict[str, object] | None:
    """None where there was none: no tap of format 2 watches this machine."""
    return asdict(latest) if latest.time_us else None


def _tap_object(tap: TapStatus) -> dict[str, object]:
    return {
        "name": tap.name,
        "state": tap.state,
        "recording": tap.recording,
        "message": printable(tap.message),
        "restarts": tap.restarts,
        "stderr": [printable(line) for line in tap.stderr],
        "left_out": list(tap.left_out),
        "gap_since_us": tap.gap_since_us or None,
    }


def _account_object(account: Account, gaps: int) -> dict[str, object]:
    return {
        "lines": account.lines,
        "emitted": account.emitted,
        "stored": account.stored,
        "rejected": account.rejected,
        "notices": account.notices,
        "lost": account.lost,
        "gaps": gaps,
    }


def _pipeline_object(pipeline: PipelineStatus) -> dict[str, object]:
    return {name: value for name, value in asdict(pipeline).items() if name not in ("samples", "store_error")}
