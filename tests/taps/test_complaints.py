"""What taps say of lost events is counted, wherever they say it."""

from __future__ import annotations

import sys
import time

import pytest

from memtap.stores.contract import Loss
from memtap.taps.complaints import loss_in
from memtap.taps.supervisor import Supervisor
from memtap.taps.tap import Tap


@pytest.mark.parametrize(
    ("line", "events"),
    [
        ("WARNING: Number of errors: 0, skipped probes: 12", 12),
        ("WARNING: Number of errors: 3, skipped probes: 0", None),
        ("WARNING: There were 7 transport failures.", 7),
        ("WARNING: There were 3 lost messages, 288 lost bytes", 3),
        ("Lost 42 events", 42),
        ("ERROR: Skipped too many probes, check MAXSKIPPED or try again with stap -t for more details.", 0),
        ("ERROR: probe overhead (600000000 cycles) exceeded threshold (500000000 cycles) in last 1000000000 cycles", 0),
        ("WARNING: /usr/bin/staprun exited with status: 1", None),
        ("Pass 5: run failed.  [man error::pass5]", 0),
        ("", None),
    ],
)
def test_what_stderr_says(line: str, events: int | None) -> None:
    loss = loss_in(line, 5)
    assert (loss and loss.events) == events
    assert loss is None or (loss.time_us == 5 and loss.cause == "tap" and line in loss.detail)


def test_a_taps_last_words_reach_the_ledger_of_losses() -> None:
    program = "import sys; print('WARNING: There were 9 transport failures.', file=sys.stderr)"
    told: list[Loss] = []
    supervisor = Supervisor(
        Tap("stap", argv=(sys.executable, "-c", program)), on_stream=lambda _: None, on_gap=told.append
    )
    supervisor.start()
    for _ in range(500):
        if any(loss.events == 9 for loss in told):
            break
        time.sleep(0.02)
    assert supervisor.stop(2)
    assert [loss.events for loss in told if loss.events][:1] == [9]
