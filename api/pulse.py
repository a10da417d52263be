"""The state of tap, pipeline and store, read once a tick and serialised once for all clients."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from memtap.api.encoding import dumps, printable
from memtap.api.moment import UNKNOWN_HOST
from memtap.api.totals import totals_object
from memtap.errors import StoreError
from memtap.names import display
from memtap.stores.contract import Account, Host, Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtap.api.moment import Moment
    from memtap.api.settings import Settings
    from memtap.api.snapshots import Snapshots
    from memtap.status import PipelineStatus, Reconciliation, Status, TapStatus

_log = logging.getLogger(__name__)

SILENT_S = 5.0  # a store that has not answered for so long is shown as away
RATE_TICKS = 5  # a rate is over so many ticks: batches arrive in bursts


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
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """The totals at one tick."""

    at_s: float  # monotonic
    totals: Totals


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
        self._samples: deque[Sample] = deque(maxlen=RATE_TICKS + 1)

    async def tick(self) -> bytes:
        """Refresh, take a sample for the rates, and give the document."""
        await self.refresh()
        self._samples.append(Sample(time.monotonic(), self._facts.totals))
        return self.document()

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
                "tap": _tap_object(status.tap),
                "store": {
                    "url": printable(self._settings.store_url),
                    "state": "away" if error else "ok",
                    "error": error,
                },
                "account": _account_object(facts.account),
                "pipeline": _pipeline_object(status.pipeline),
                "totals": totals_object(facts.totals, facts.failed, facts.exact),
                "rates": self._rates(),
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

    def _rates(self) -> dict[str, float]:
        oldest, newest = (self._samples[0], self._samples[-1]) if len(self._samples) > 1 else (None, None)
        if oldest is None or newest is None or newest.at_s <= oldest.at_s:
            return {"calls_per_s": 0.0, "requested_per_s": 0.0, "released_per_s": 0.0}
        seconds = newest.at_s - oldest.at_s
        before, now = oldest.totals, newest.totals
        return {
            "calls_per_s": (now.requests + now.releases - before.requests - before.releases) / seconds,
            "requested_per_s": (now.requested - before.requested) / seconds,
            "released_per_s": (now.released - before.released) / seconds,
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
    }


def _account_object(account: Account) -> dict[str, object]:
    return {
        "lines": account.lines,
        "emitted": account.emitted,
        "stored": account.stored,
        "rejected": account.rejected,
        "notices": account.notices,
        "lost": account.lost,
    }


def _pipeline_object(pipeline: PipelineStatus) -> dict[str, object]:
    return {name: value for name, value in asdict(pipeline).items() if name not in ("samples", "store_error")}
