"""A search that ends when it has looked through enough, on a real MariaDB server: it goes on where it ended."""

from __future__ import annotations

from random import Random

import pytest
from counted import FIRST_US, STREAM, Call, WideCall, batches

from memtap.stores.contract import CallFilter, CallRow, Reader, Writer

SECOND_US = 1_000_000
# Seconds with many calls and with few, and gaps of seconds, minutes, hours and years between them.
STEPS_US = [1000] * 20 + [SECOND_US, 7 * SECOND_US, 90 * SECOND_US, 3 * 3600 * SECOND_US, 10**15]
FILTERS = [
    CallFilter(),
    CallFilter(pid=2),
    CallFilter(pid=3),
    CallFilter(pid=2, call="munmap"),
    CallFilter(pid=2, name=b"nobody"),
    CallFilter(call="munmap"),
    CallFilter(call="shmat"),
    CallFilter(name=b"rare"),
    CallFilter(kind="reserved"),
    CallFilter(min_length=1 << 50),
    CallFilter(failed=True),
    CallFilter(errno=12),
    CallFilter(errno=13),
    CallFilter(failed=True, pid=3),
]


@pytest.fixture
def url(mysql_url: str) -> str:
    return mysql_url


@pytest.fixture
def calls() -> list[Call]:
    chance = Random(3)
    time_us, calls = FIRST_US, list[Call]()
    for _ in range(1500):
        time_us += chance.choice(STEPS_US) if chance.random() < 0.5 else 10
        pid = 2 if chance.random() < 0.02 else 1
        call = chance.choice(["mmap", "munmap"])
        errno = 12 if chance.random() < 0.01 else 0
        name = b"rare" if chance.random() < 0.005 else b"usual"
        calls.append(WideCall(pid, name, time_us, 4096, call, errno=errno, kind="file"))
    calls.insert(700, WideCall(3, time_us=calls[700].time_us, errno=12))
    return calls


@pytest.fixture
def frugal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MOST_CALLS": 40,
        "HOUR_COST": 15,
        "SECONDS_AT_FIRST": 3,
        "SECONDS_COUNTED": 8,
        "CHUNKS": 4,
    }.items():
        monkeypatch.setattr(f"memtap.stores.mysql.reader.{name}", value)


@pytest.mark.usefixtures("frugal")
def test_searches_one_after_another_find_what_one_look_at_all_finds(searched: tuple[Reader, list[CallRow]]) -> None:
    reader, everything = searched
    middle = everything[len(everything) // 2]
    for where in FILTERS:
        expected = [row for row in everything if passes(row, where)]
        for limit in (9, 1000):
            assert one_after_another(reader, where, limit) == expected
        newer = [row for row in expected if (row.time_us, row.id) > (middle.time_us, middle.id)]
        assert reader.calls(where, after=(middle.time_us, middle.id), limit=2000) == newer


def one_after_another(reader: Reader, where: CallFilter, limit: int) -> list[CallRow]:
    found: list[CallRow] = []
    before = None
    while True:
        page = reader.search(where, before=before, limit=limit)
        found += page.rows
        assert len(page.rows) <= limit
        if page.more is None and len(page.rows) < limit:
            return found
        ended = page.more or (page.rows[-1].time_us, page.rows[-1].id)
        assert before is None or ended < before, "it goes on"
        before = ended


@pytest.mark.usefixtures("frugal")
def test_a_search_for_nothing_ends_soon_and_says_where(searched: tuple[Reader, list[CallRow]]) -> None:
    reader, everything = searched
    for where in (CallFilter(call="shmat"), CallFilter(name=b"usual", kind="reserved"), CallFilter(min_length=1 << 50)):
        page = reader.search(where, limit=10)
        assert page.rows == []
        assert page.more
        passed = [row for row in everything if row.time_us >= page.more[0]]
        assert 40 <= len(passed) < 200


def passes(row: CallRow, where: CallFilter) -> bool:
    return (
        where.pid in (None, row.pid)
        and where.name in (None, row.name)
        and where.call in (None, row.call)
        and where.kind in (None, row.kind)
        and where.errno in (None, row.errno)
        and where.failed in (None, bool(row.errno))
        and row.length >= (where.min_length or 0)
    )


@pytest.fixture
def searched(writer: Writer, reader: Reader, calls: list[Call]) -> tuple[Reader, list[CallRow]]:
    number = writer.open_stream(STREAM).stream_no
    for batch in batches(calls):
        writer.write(number, batch)
    return reader, reader.calls(CallFilter(), limit=2000)
