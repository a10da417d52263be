"""What a tap's stderr says of events that did not arrive. Warnings leave its exit status 0: they must be read."""

from __future__ import annotations

import re

from memtap.stores.contract import Loss

# staprun: runtime/staprun/mainloop.c and runtime/transport; newer versions of bpftrace tell their losses here too
_KINDS = (
    (re.compile(r"skipped probes: (\d+)"), "probes skipped"),
    (re.compile(r"There were (\d+) transport failures?"), "transport failures"),
    (re.compile(r"There were (\d+) lost messages?"), "messages lost"),
    (re.compile(r"\bLost (\d+) events\b"), "events lost"),
)
_UNCOUNTED = re.compile(r"Skipped too many probes|probe overhead .* exceeded threshold|Pass 5: run failed")


def loss_in(line: str, time_us: int) -> Loss | None:
    """The loss that a line of stderr tells of; None where it tells of none."""
    for pattern, what in _KINDS:
        if (found := pattern.search(line)) and (events := int(found[1])):
            return Loss(time_us, "tap", events, f"{what}: {line}")
    if _UNCOUNTED.search(line):
        return Loss(time_us, "tap", 0, line)
    return None
