"""The loss identity, second by second: emitted = stored + rejected + lost, held against a count of the trace itself."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from memtap.stores import open_store

from .test_ingest import ingest, url

__all__ = ["url"]

FIRST_US = 1_795_411_501_000_000
NONSENSE = (b"mmap2: PID=x, process=a, time=1, length=1", b"?" * 200, b"munmap: PID=1, process=a, time=2, length=-1")


def trace(lines: int, seed: int) -> tuple[bytes, dict[int, Counter[str]]]:
    """A trace in which lines are broken and events are said to be lost, and what became of each second's events."""
    chance = random.Random(seed)
    now_us, written = FIRST_US, []
    account: dict[int, Counter[str]] = defaultdict(Counter)
    for number in range(lines):
        second = now_us // 1_000_000
        if number and chance.random() < 0.05:
            # as bpftrace does, in the middle of a line's place; it belongs to the second of the call before it
            lost = chance.randrange(1, 1000)
            written.append(b"Lost %d events" % lost)
            account[second]["lost"] += lost
        elif number and chance.random() < 0.1:
            written.append(chance.choice(NONSENSE))
            account[second]["rejected"] += 1
        else:
            now_us += chance.choice([0, 3, 900, 250_000, 2_500_000, -1_200_000])
            written.append(b"mmap2: PID=%d, process=a, time=%d, length=4096" % (chance.randrange(1, 9), now_us))
            account[now_us // 1_000_000]["stored"] += 1
    return b"".join(line + b"\n" for line in written), account


@pytest.mark.parametrize("seed", range(3))
def test_each_second_adds_up(url: str, tmp_path: Path, seed: int) -> None:
    data, expected = trace(3000, seed)
    path = tmp_path / "trace.log"
    path.write_bytes(data)
    outcome = ingest(path, url)
    with closing(open_store(url)) as store, closing(store.reader()) as reader:
        found = reader.seconds(0, 2**63)
        account = reader.account()
    assert {
        each.second: Counter(stored=each.stored, rejected=each.rejected, lost=sum(each.lost.values())) for each in found
    } == {
        second: Counter(stored=counts["stored"], rejected=counts["rejected"], lost=counts["lost"])
        for second, counts in expected.items()
    }
    assert {cause for each in found for cause in each.lost} == {"tap"}
    # the seconds together are the whole
    whole = sum(expected.values(), Counter[str]())
    assert (account.stored, account.rejected, sum(account.lost.values())) == (
        whole["stored"],
        whole["rejected"],
        whole["lost"],
    )
    assert account.emitted == sum(each.stored + each.rejected + sum(each.lost.values()) for each in found)
    assert (outcome["stored"], outcome["rejected"]) == (whole["stored"], whole["rejected"])
