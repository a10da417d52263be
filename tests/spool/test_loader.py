"""A loader with a spool: whoever submits never waits, and what the store does not take is on disk until it does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memtap.errors import MemtapError, StoreAway
from memtap.loader import Draft, Loader
from memtap.native import Batch, Parser
from memtap.spool.spool import Spool
from memtap.stores.contract import Loss

from .keeping import FIRST_US, HEADER, OWN, KeepingWriter, numbered

LIMIT = 1 << 30
AWAY = StoreAway("the store is away")


def wait_until(wanted: Callable[[], object], what: str = "") -> None:
    end = time.monotonic() + 300
    while not wanted():
        assert time.monotonic() < end, what
        time.sleep(0.005)


class Work:
    """A loader with a spool in `folder`, and numbered calls for it."""

    def __init__(self, folder: Path, writer: Any, *, limit: int = LIMIT, most_rows: int = 1000, **made: Any) -> None:
        self.spool = Spool(folder, limit, **made)
        self.spool.open()
        self.writer = writer
        self.stream = OWN._replace(name=f"{OWN.name}-{time.monotonic_ns()}")
        cursor = writer.open_stream(self.stream)
        self.loader = Loader(
            writer, cursor, most_rows=most_rows, drop=True, patience_s=None, stream=self.stream, spool=self.spool
        )
        self.parser = Parser(header=HEADER.strip())
        self.made = 0
        self.loader.start()

    def submit(self, batches: int, rows: int = 10) -> None:
        for _ in range(batches):
            events = numbered(rows, self.made, self.parser)
            self.loader.submit(Draft(events, rows, 0, 0))
            self.made += rows

    def fill(self) -> None:
        """The spool, at the pace that the disk takes."""
        while self.spool.state != "full":
            self.submit(1, rows=100)
            wait_until(lambda: not self.loader._queue or self.spool.state == "full")

    def stop(self, timeout_s: float = 30) -> None:
        self.unstored = self.loader.finish(timeout_s)
        self.spool.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_a_store_that_takes_all_needs_no_disk(folder: Path) -> None:
    work = Work(folder, writer := KeepingWriter())
    work.submit(50)
    wait_until(lambda: not work.loader.queued)
    assert not list(folder.iterdir()) or work.spool.state != "empty", "on a busy machine a moment may take long"
    work.stop()
    assert writer[work.stream].lengths == list(range(500))
    assert not folder.exists()


def test_while_the_store_is_away_all_goes_to_disk_and_then_in_order_into_the_store(folder: Path) -> None:
    work = Work(folder, writer := KeepingWriter(), segment_bytes=4096)
    work.submit(3)
    wait_until(lambda: work.loader.stored == 30)
    writer.error = AWAY
    for _ in range(6):  # three times what may wait in memory
        work.submit(50)
        wait_until(lambda: not work.loader._queue)
    wait_until(lambda: work.spool.batches == 300)
    assert work.spool.state == "spooling"
    assert work.loader.store_error == "the store is away"
    assert len(list(folder.iterdir())) > 10
    writer.error = None
    work.submit(7)
    wait_until(lambda: work.loader.stored == work.made)
    wait_until(lambda: not list(folder.iterdir()))
    assert work.spool.state == "empty"
    work.stop()
    assert writer[work.stream].lengths == list(range(work.made))
    assert not work.loader.lost
    assert work.unstored.lost == work.unstored.spooled == 0


def test_a_store_that_hangs_holds_nobody_up_and_what_it_took_is_not_stored_twice(folder: Path) -> None:
    answers = threading.Event()

    class Hanging(KeepingWriter):
        def write(self, *batch: Any) -> bool:
            stored = super().write(*batch)
            answers.wait()
            return stored

    work = Work(folder, writer := Hanging())
    work.submit(20)
    wait_until(lambda: work.spool.batches == 20, "the one that hangs among them")
    wait_until(lambda: work.loader.stalled)
    answers.set()
    wait_until(lambda: work.loader.stored == 200)
    work.stop()
    assert writer[work.stream].lengths == list(range(200))


def test_what_a_store_has_not_taken_at_the_end_waits_for_the_next_memtap(folder: Path) -> None:
    writer = KeepingWriter()
    first = Work(folder, writer)
    writer.error = AWAY
    first.submit(30)
    first.loader.end_processes((7,), FIRST_US)
    first.stop(timeout_s=0.1)
    assert (first.unstored.lost, first.unstored.spooled) == (0, 30)
    assert first.stream.name in writer.streams

    writer.error = None
    second = Work(folder, writer)
    assert second.spool.newest_us == FIRST_US + 299_000
    second.submit(5)
    wait_until(lambda: second.loader.stored == 50)
    second.stop()
    assert writer[first.stream].lengths == list(range(300))
    assert writer[first.stream].ended == [7]
    assert not writer[first.stream].lost
    assert writer[second.stream].lengths == list(range(50))
    assert not folder.exists()


def test_a_full_spool_drops_whole_batches_and_counts_them_with_their_time(folder: Path) -> None:
    work = Work(folder, writer := KeepingWriter(), limit=200_000, most_rows=100)
    writer.error = AWAY
    work.fill()
    work.submit(10, rows=100)
    dropped = work.loader.dropped
    assert dropped
    assert dropped % 100 == 0
    assert work.spool.bytes <= 200_000
    assert work.loader.lost == {"spool": dropped}
    writer.error = None
    wait_until(lambda: not work.loader.queued)
    work.submit(1)
    work.stop()
    kept = writer[work.stream]
    assert len(kept.lengths) + dropped == work.made
    assert kept.lost == {"spool": dropped}
    missing = sorted(set(range(work.made)) - set(kept.lengths))
    losses = [loss for batch in kept.batches.values() for loss in batch.losses]
    for number in missing:
        assert any(loss.since_us <= FIRST_US + 1000 * number <= loss.time_us for loss in losses)


def test_losses_of_a_full_spool_are_kept_over_the_end(folder: Path) -> None:
    writer = KeepingWriter()
    work = Work(folder, writer, limit=100_000, most_rows=100)
    writer.error = AWAY
    work.fill()
    work.submit(5, rows=100)
    work.loader.submit(Draft(work.parser.seal(), 0, 0, 0))  # as Pump.flush does
    work.stop(timeout_s=0.1)
    writer.error = None
    Work(folder, writer).stop()
    after = Work(folder, writer)
    wait_until(lambda: not after.loader.queued)
    after.stop()
    kept = writer[work.stream]
    assert len(kept.lengths) + kept.lost["spool"] == work.made
    assert work.unstored.lost == 100, "what waited in memory"


def test_two_memtaps_do_not_share_a_spool(folder: Path) -> None:
    work = Work(folder, KeepingWriter())
    with pytest.raises(MemtapError, match=rf"spool {folder} is in use by another memtap \(process {os.getpid()}\)"):
        Spool(folder, LIMIT).open()
    work.stop()
    Spool(folder, LIMIT).open()


def test_what_was_appended_is_synced_within_a_second_or_sixteen_megabytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real fsyncs, watched: at each one the file is as long as what had been appended by then."""
    synced: list[int] = []
    real = os.fdatasync

    def watched(fd: int) -> None:
        real(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(os, "fdatasync", watched)
    spool = Spool(folder, LIMIT)
    spool.open()
    (batch,) = [numbered(50_000)]
    item = _sealed(batch)
    assert spool.append(OWN, item)
    due = spool.sync_due_s
    assert due is not None
    assert due <= 1
    one = spool.bytes
    appended = 1
    while not synced:
        assert spool.append(OWN, item)
        appended += 1
        assert appended * one < 40 << 20
    assert (16 << 20) <= synced[0] <= (16 << 20) + 2 * one
    assert spool.append(OWN, item)
    spool.sync()
    assert synced[-1] == spool.bytes
    assert spool.sync_due_s is None
    spool.close()


def test_the_loader_syncs_without_being_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    real = os.fdatasync

    def watched(fd: int) -> None:
        real(fd)
        synced.set()

    monkeypatch.setattr(os, "fdatasync", watched)
    work = Work(folder, writer := KeepingWriter())
    writer.error = AWAY
    work.submit(1)
    assert synced.wait(60)
    writer.error = None
    work.stop()


def _sealed(events: Batch) -> Any:
    from memtap.stores.contract import SealedBatch

    return SealedBatch(0, 0, 0, b"", events, len(events), 0, 0, (Loss(1, "tap", 0, "x", since_us=1),))


SMALL_DISK = """
import sys, time
from pathlib import Path
from memtap.errors import StoreAway
from tests.spool.keeping import KeepingWriter
from tests.spool.test_loader import Work, wait_until
import subprocess
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], check=True)
writer = KeepingWriter()
work = Work(disk / "spool", writer, most_rows=100_000)
writer.error = StoreAway("away")
work.submit(200, rows=100)
wait_until(lambda: "No space left" in work.spool.error)
assert work.spool.state == "failing", work.spool.state
held = work.spool.batches
assert 5 < held < 195, held
subprocess.run(["mount", "-o", "remount,size=700k", disk], check=True)
wait_until(lambda: work.spool.batches > held)
subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
wait_until(lambda: work.spool.batches == 200)
wait_until(lambda: not work.spool.error)
work.spool.sync()
with work.spool._files:  # no file is open for writing: it may be remounted
    segments = list(work.spool._segments)
writer.error = None
work.submit(1)
wait_until(lambda: not work.loader.queued)
work.stop()
assert writer[work.stream].lengths == list(range(work.made))
assert not work.loader.lost

subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
work = Work(disk / "spool", writer, most_rows=100_000)
assert "Read-only" in work.spool.error, work.spool.error
writer.error = StoreAway("away")
work.submit(10)
time.sleep(0.5)
writer.error = None
wait_until(lambda: work.loader.stored == 100)
work.stop()
print("done")
"""


def test_a_full_or_read_only_disk_stops_nothing(tmp_path: Path) -> None:
    """A real, tiny file system in a mount namespace of its own."""
    command = ["unshare", *(["-m"] if os.geteuid() == 0 else ["-r", "-m"]), sys.executable, "-c", SMALL_DISK]
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONSAFEPATH": "", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
