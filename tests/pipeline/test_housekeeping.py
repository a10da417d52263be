"""Housekeeping: what is kept is said, what fails is shown, and a clock that is set ahead makes nothing old at once."""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from memtap import housekeeping
from memtap.commands import keeping
from memtap.errors import StoreAway
from memtap.housekeeping import DoubtfulClock, Housekeeper
from memtap.stores.contract import Maintenance, Retention

from .running import MEMTAP

DAY_US = 86_400_000_000


class Steps:
    """A store that notes what it is asked for."""

    def __init__(self, *answers: Maintenance | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Retention, int]] = []

    def maintain(self, retention: Retention, now_us: int) -> Maintenance:
        self.asked.append((retention, now_us))
        answer = self.answers.pop(0) if self.answers else Maintenance()
        if isinstance(answer, Exception):
            raise answer
        return answer


def keeper(store: Any, retention: Retention | None = None) -> Housekeeper:
    return Housekeeper(store, retention)


def test_a_step_that_fails_is_shown_and_tried_again() -> None:
    kept = Retention(3600, None, None)
    tested = keeper(Steps(Maintenance(bytes_stored=5), StoreAway("away"), ZeroDivisionError("x"), Maintenance()), kept)
    tested.step()
    assert (tested.status.latest, tested.status.error) == (Maintenance(bytes_stored=5), "")
    tested.step()
    assert (tested.status.latest, tested.status.error) == (Maintenance(bytes_stored=5), "housekeeping: away")
    tested.step()
    assert "ZeroDivisionError('x')" in tested.status.error
    tested.step()
    assert (tested.status.latest, tested.status.error, tested.status.retention) == (Maintenance(), "", kept)


def test_its_thread_goes_on_at_once_while_there_is_more_and_ends_when_told() -> None:
    store = Steps(*[Maintenance(more=True)] * 2)
    tested = keeper(store)
    tested.start()
    while len(store.asked) < 3:
        time.sleep(0.01)
    tested.stop()
    assert not tested.is_alive()
    assert [retention for retention, _ in store.asked] == [Retention()] * 3


@pytest.mark.parametrize("years", [10, 1 / 8766, 5 / 525_960])
def test_a_clock_that_is_set_ahead_is_doubted_for_an_hour_and_set_back_it_is_believed(
    years: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall_us, boot_s = 1_795_411_501_000_000, 5000.0
    step_us = int(years * 365.25 * DAY_US)
    # The clock of the machine is everybody's, and one of ten years ahead would be waited for.
    monkeypatch.setattr(housekeeping, "_clocks", lambda: (wall_us, boot_s))
    clock = DoubtfulClock()
    wall_us, boot_s = wall_us + 10_000_000, boot_s + 10
    assert clock.now_us() == wall_us
    before_us = wall_us
    wall_us, boot_s = wall_us + step_us, boot_s + 10
    assert clock.now_us() == before_us + 10_000_000
    assert clock.doubted
    wall_us, boot_s = wall_us - step_us, boot_s + 10
    assert clock.now_us() == wall_us
    assert not clock.doubted
    wall_us, boot_s = wall_us - step_us, boot_s + 10
    assert clock.now_us() == wall_us, "nothing is dropped by that"
    wall_us, boot_s = wall_us + step_us, boot_s + 10
    assert clock.now_us() == wall_us - step_us + 10_000_000
    wall_us, boot_s = wall_us + 3_700_000_000, boot_s + 3700
    assert clock.now_us() == wall_us


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("24h", 86_400), ("400d", 34_560_000), ("2w", 1_209_600), ("all", None)],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert keeping.duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("500M", 500 << 20), ("20G", 20 << 30), ("2TiB", 2 << 40), ("1KB", 1024)],
)
def test_sizes(text: str, size: int) -> None:
    assert keeping.size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "24", "0h", "-1h", "1.5h", "h", "٣h", "1H", "24h ", "9" * 13 + "s", "1y"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no duration: give a number above 0 and s, m, h, d or w"):
        keeping.duration_s(text)


@pytest.mark.parametrize("text", ["", "G", "-1", "1.5G", "20g", "1P", "0x10", "٣", "9" * 19 + "T"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no size: give a number of bytes"):
        keeping.size_bytes(text)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--keep-events", "soon"), ("--keep-bytes", "much"), ("--keep-bytes", "1K"), ("--keep-rollups", "0d")],
)
@pytest.mark.parametrize("command", ["run", "ingest"])
def test_a_wrong_one_is_told_by_name_and_status(command: str, option: str, value: str, tmp_path: Path) -> None:
    file = ["/dev/null"] if command == "ingest" else []
    done = subprocess.run([*MEMTAP, command, *file, option, value], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"argument {option}: {value!r}" in done.stderr
