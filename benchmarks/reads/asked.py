"""What is asked of a store with many calls."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.reads.filling import CALLS_PER_S, FIRST_US
from memtap.stores.contract import CallFilter, Reader

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
Read = Callable[[Reader], object]


def reads(calls: int) -> dict[str, Read]:
    """Each read by its name; `calls`: that are stored."""
    end_us = FIRST_US + calls * SECOND_US // CALLS_PER_S
    middle = (FIRST_US + end_us) // 2
    everything = CallFilter()
    return {
        "process table": lambda reader: reader.processes(),
        "totals": lambda reader: reader.totals(),
        "shares, 1 min": lambda reader: reader.window(end_us - 60 * SECOND_US, end_us),
        "shares, all": lambda reader: reader.window(0, end_us + HOUR_US),
        "history of one, 1 min by 1 s": lambda reader: reader.history(77, middle, middle + 60 * SECOND_US),
        "history of one, all by 1 h": lambda reader: reader.history(77, 0, end_us + HOUR_US, step=3600),
        "what each held at a moment": lambda reader: reader.held_at(middle),
        "newest page": lambda reader: reader.search(everything),
        "page in the middle": lambda reader: reader.search(everything, before=(middle, 2**63)),
        "page at the beginning": lambda reader: reader.search(everything, before=(FIRST_US + SECOND_US, 2**63)),
        "page of one, newest": lambda reader: reader.search(CallFilter(process_id=77), limit=50),
        "page of one, middle": lambda reader: reader.search(
            CallFilter(process_id=77), before=(middle, 2**63), limit=50
        ),
        "page of munmap, middle": lambda reader: reader.search(CallFilter(call="munmap"), before=(middle, 2**63)),
        "page of a length, none": lambda reader: reader.search(CallFilter(min_length=4097, max_length=4099)),
        "page of one and a length, none": lambda reader: reader.search(
            CallFilter(process_id=77, min_length=4097, max_length=4099), limit=50
        ),
        "page of failed, none": lambda reader: reader.search(CallFilter(failed=True)),
    }
