"""Format 1, read the plain way: what the native parser is held against."""

import re
from typing import NamedTuple

RECORD = re.compile(rb"(mmap2|munmap): PID=(\d{1,20}), process=([^\0]{0,15}), time=(\d{1,20}), length=(\d{1,20})", re.S)
OPENS = re.compile(rb"(mmap2|munmap): PID=\d+, process=", re.S)
CLOSES = re.compile(rb".*, time=\d+, length=-?\d+", re.S)
NOTICE = re.compile(rb"|Attaching \d{1,20} probes?\.\.\.|Lost (\d{1,20}) events")


class Plain(NamedTuple):
    events: list[tuple[str, int, bytes, int, int]]
    rejected: list[bytes]
    notices: int
    lost: int


def read(data: bytes) -> Plain:
    events, rejected, notices, lost, parts = [], [], 0, 0, 0
    *lines, cut = data.split(b"\n")
    for line in lines:
        if found := RECORD.fullmatch(line):
            call, pid, comm, time_us, length = found.groups()
            if int(pid) <= 2**22 and int(time_us) < 2**64 and int(length) < 2**64:
                events.append((call.decode(), int(pid), comm, int(time_us), int(length)))
                parts = 0
                continue
        if not parts and (found := NOTICE.fullmatch(line)) and int(found[1] or 0) < 2**64:
            notices += 1
            lost += int(found[1] or 0)
            continue
        rejected.append(line)
        if CLOSES.fullmatch(line) or parts == 16:
            parts = 0
        elif OPENS.match(line) or parts:
            parts = 1 if OPENS.match(line) else parts + 1
    return Plain(events, rejected + ([cut] if cut else []), notices, lost)
