"""A tap at work: its supervisor, the reader, the pump and the loader, and what they say of themselves."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import replace
from threading import Thread

from memtap import header
from memtap.errors import MemtapError
from memtap.host import live_pids, sees_all_pids, this_host
from memtap.loader import Loader, Unstored
from memtap.native import FormatError, Parser, Reader, Ring
from memtap.pump import LIVE_FLUSH_S, LIVE_ROWS, Pump
from memtap.reaper import Reaper
from memtap.reconciler import Reconciler
from memtap.spool.spool import Spool
from memtap.status import PipelineStatus, SpoolStatus, Status
from memtap.stores.contract import Host, Loss, Stream, Writer
from memtap.stores.contract import Reader as StoreReader
from memtap.taps.child import Launch, OwnChild
from memtap.taps.supervisor import Supervisor
from memtap.taps.tap import Tap

RING_BYTES = 16 << 20  # 0.2 s of the fastest tap there is
WAITING_ROWS = 1_000_000  # calls that may wait in memory for a store that is away: 60 MB

# Of the two seconds in which memtap has to be gone. The kernel takes up to one and a half to detach bpftrace's twenty
# probes, killed or not.
TAP_STOP_S = 1.5
STORE_STOP_S = 0.4


class Live:
    """Runs a tap into a store's writer until stopped.

    Of a live tap nothing waits for the store: it goes to the `spool`, opened, and what finds no room there is dropped
    and counted. A file waits.
    """

    def __init__(self, tap: Tap, writer: Writer, spool: Spool | None = None, *, launch: Launch = OwnChild) -> None:
        self.tap = tap
        self._spool = spool if tap.restarts else None
        self._parser = Parser(rows=LIVE_ROWS)
        self._host = host = recorded_host() if tap.recording else this_host()
        self._streams = f"tap:{host.name}:{host.boot_id}:"  # of this machine since it was booted
        self._stream = f"{self._streams}{time.time_ns()}"
        stream = Stream(self._stream, tap.name, host)
        self._loader = Loader(
            writer,
            writer.open_stream(stream),
            most_rows=WAITING_ROWS,
            drop=tap.restarts,
            patience_s=None,
            stream=stream,
            spool=self._spool,
        )
        self._pump = Pump(self._parser, self._loader, flush_s=LIVE_FLUSH_S, live=True)
        self._unwatched_us = 0  # since when nobody has watched this machine, until the tap's first line
        self._began_us = 0  # when that came
        self._late_gap: Loss | None = None  # known only when the store came back
        self._reaper = Reaper(self._end_processes)
        self._may_follow_proc = tap.restarts and not tap.recording and sees_all_pids()
        self._header = b""  # of the stream that a FIFO brings
        self._is_ours = False
        self._reconciler = Reconciler(self._parser, tap.left_out)
        self._generation = 0
        self._seen = 0  # processes of that generation that the reaper has heard of
        self._reader: Reader | None = None
        self._refusal = ""  # why the tap's lines cannot be read
        self._pipeline = PipelineStatus()
        self.supervisor = Supervisor(tap, on_stream=self._follow, on_gap=self._pump.add_loss, launch=launch)

    def look_back(self, store: StoreReader) -> None:
        """At what was before this memtap: how long nobody has watched this machine since it was booted, and who ended
        meanwhile. From the loader's thread where the store was away at first."""
        if not self.tap.restarts or self.tap.recording:
            return
        # Not of the latest stream alone: that memtap may have been killed before it had stored anything.
        earlier = [row for row in store.streams() if row.name.startswith(self._streams) and row.name != self._stream]
        since_us = self._spool.newest_us if self._spool else 0  # of a memtap, perhaps, that the store never heard of
        if since_us < time.time_ns() // 1000 - int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6):
            since_us = 0  # of an earlier boot
        since_us = max([since_us, *(row.last_us or 0 for row in earlier)])
        if earlier and not since_us:  # none had: since the first of them began
            since_us = min(int(row.name.rpartition(":")[2]) for row in earlier) // 1000
        if self._began_us:
            self._late_gap = _gap(since_us, self._began_us) if since_us else None
        else:
            self._unwatched_us = since_us
        if not self._follows_proc:
            return
        known = {row.pid: row.last_us for row in store.processes() if row.host == self._host.name}
        if gone := sorted(set(known) - live_pids()):
            # no earlier than their last calls, wherever the clock stood then
            self._loader.end_processes(tuple(gone), max(time.time_ns() // 1000, *(known[pid] for pid in gone)))

    def begin_unknowing(self) -> None:
        """The store is away: `look_back` may come late, or never. Before `start`."""
        if self.tap.restarts and not self.tap.recording:
            detail = "memtap began while its store was away: since when nobody had watched was not known"
            self._pump.add_loss(Loss(time.time_ns() // 1000, "tap", 0, detail))

    @property
    def _follows_proc(self) -> bool:
        """Whether /proc here is about the processes of the stream. What comes through a FIFO may be anybody's, until
        its header says that it is this boot's."""
        if not self._may_follow_proc or not self.tap.fifo:
            return self._may_follow_proc
        if self._header != self._parser.header:
            self._header = self._parser.header
            try:
                self._is_ours = header.parse(self._header).host.boot_id == self._host.boot_id
            except MemtapError:  # it does not say whose it is
                self._is_ours = False
        return self._is_ours

    def start(self) -> None:
        self._loader.start()
        self.supervisor.start()

    def stop(self) -> Unstored:
        """Ends the tap, stores what was read. Returns what the store did not take in time."""
        begun = time.monotonic()
        if not self.supervisor.stop(TAP_STOP_S):
            if reader := self._reader:
                reader.stop()
            self.supervisor.join(0.2)
        if self.supervisor.join(0):
            self._pump.flush()
        left_s = TAP_STOP_S - (time.monotonic() - begun) - 0.1
        unstored = self._loader.finish(STORE_STOP_S + max(0.0, left_s))
        return unstored._replace(lost=unstored.lost + self._parser.pending)

    def status(self) -> Status:
        """As of the last tick, a tenth of a second ago or so; never waits."""
        tap = self.supervisor.status()
        return Status(
            replace(tap, message=self._refusal or tap.message, gap_since_us=tap.gap_since_us or self._unwatched_us),
            self._pipeline,
            self._reconciler.latest,
            self._spool_status(),
        )

    def _spool_status(self) -> SpoolStatus:
        spool = self._spool
        if not spool:
            return SpoolStatus()
        state = spool.state
        if state == "spooling" and not self._loader.stalled:
            state = "draining"
        return SpoolStatus(
            state=state,
            path=str(spool.folder),
            batches=spool.batches,
            bytes=spool.bytes,
            limit=spool.limit,
            oldest_us=spool.oldest_us,
            damaged=spool.damaged,
            dropped=self._loader.dropped,
            error=spool.error,
        )

    def _follow(self, fd: int) -> None:
        """One stream of the tap, in the supervisor's thread."""
        if since_us := self._unwatched_us:
            self._unwatched_us = 0
            self._pump.add_loss(_gap(since_us, time.time_ns() // 1000))
        self._began_us = self._began_us or time.time_ns() // 1000
        if self.tap.recording:
            self._reaper.all_ended()  # it begins again
        self._reconciler.begin()
        ring = Ring(RING_BYTES, drop=self.tap.restarts)
        self._reader = reader = Reader(fd, ring)

        failures: list[int] = []

        def drain() -> None:
            failures.append(reader.run())
            ring.close()

        thread = Thread(target=drain, name="memtap-reader", daemon=True)
        thread.start()
        try:
            self._pump.run(ring, on_tick=self._tick)
        except FormatError as error:
            self._refusal = str(error)
        finally:
            reader.stop()
            thread.join()
            self._reader = None
        for failed in filter(None, failures):
            detail = f"reading the tap failed: {os.strerror(failed)}"
            self._pump.add_loss(Loss(time.time_ns() // 1000, "pipe", 0, detail))

    def _tick(self) -> None:
        if gap := self._late_gap:
            self._late_gap = None
            self._pump.add_loss(gap)
        if self._generation != self._parser.generation:
            self._generation, self._seen = self._parser.generation, self._parser.carried
        new = self._parser.process_pids[self._seen :]
        self._seen += len(new)
        if self._follows_proc or self.tap.recording:
            self._reaper.hear(new)
        if self._follows_proc:
            self._reaper.look()
            self._reconciler.tick()
        self._pipeline = PipelineStatus(
            lines=self._parser.lines,
            events=self._parser.events,
            stored=self._loader.stored,
            rejected=self._parser.rejected,
            notices=self._parser.notices,
            lost=dict(self._loader.lost),
            batches=self._loader.batches,
            queued=self._loader.queued,
            store_error=self._loader.store_error,
            samples=tuple(self._parser.samples),
            calls=dict(self._pump.calls),
        )

    def _end_processes(self, pids: tuple[int, ...]) -> None:
        self._parser.end(pids)
        if self._parser.format != 2:  # there a batch says who has ended
            self._loader.end_processes(pids, max(time.time_ns() // 1000, self._pump.newest_us))


def _gap(since_us: int, until_us: int) -> Loss:
    detail = "nobody watched since the earlier memtap's last call"
    return Loss(until_us, "tap", 0, detail, since_us=min(since_us, until_us))


def recorded_host() -> Host:
    """The machine of a recording: nobody's, so that its processes are never taken for this machine's."""
    here = this_host()
    return Host("recording", boot_id=str(uuid.uuid4()), memory_bytes=here.memory_bytes, page_size=here.page_size)
