"""Format 2, read the plain way: what the native parser is held against."""

import re
from typing import Any, NamedTuple

from .plain import NOTICE

FIELDS = ["call", "pid", "start", "uid", "cgroup", "time_us", "length", "freed", "errno", "kind", "vm", "rss", "comm"]
Event = NamedTuple("Event", [(field, Any) for field in FIELDS])
MOST = {"pid": 2**22, "parent": 2**22, "uid": 2**32 - 1, "status": 2**32 - 1, "errno": 4095}
CALL = rb"(?P<call>(?P<asks>mmap|munmap|mremap|brk|shmat|shmdt)|(?P<forks>fork)|(?P<exits>exit)|exec|proc)"
WHO = rb"pid=#, start=#, uid=#, cgroup=#, time=(?P<time_us>\d{1,20})"
ASKED = rb"length=#, freed=#, errno=#, kind=(?P<kind>anonymous|file|reserved|none), "
ESCAPE = rb'\\(?:["\\abtnvfr]|([0-3][0-7]{2})|u(?!(?i:d[89ab]))H{4}|U000(?!(?i:0d[89ab]))H{5}|U0010H{4})'
ESCAPE = ESCAPE.replace(b"H", b"[0-9a-fA-F]")  # of code points that there are
NAME = rb'(?:(?P<hex>[0-9a-f]{32})|"(?P<quoted>(?:[ !#-\[\]-~]|%b)*)")' % ESCAPE
LINE = rb"%b: %b, (?(asks)%b)(?(forks)parent=#, )(?(exits)status=#, )vm=#, rss=#, process=%b" % (CALL, WHO, ASKED, NAME)
RECORD = re.compile(re.sub(rb"(\w+)=#", rb"\1=(?P<\1>\\d{1,20})", LINE))


def event_of(line: bytes) -> Event | None:
    if not (found := RECORD.fullmatch(line)):
        return None
    numbers = {name: int(found[name] or 0) for name in {*FIELDS, *MOST} - {"call", "kind", "comm"}}
    comm = bytes.fromhex((found["hex"] or b"").decode()).split(b"\0")[0]
    for plain, code, escape in re.findall(rb"([^\\])|\\(\d{3})|(\\(?:u.{4}|U.{8}|.))", found["quoted"] or b""):
        comm += plain or (bytes([int(code, 8)]) if code else escape.decode("unicode_escape").encode())
    if len(comm) > 15 or b"\0" in comm or any(number > MOST.get(name, 2**64 - 1) for name, number in numbers.items()):
        return None
    said = numbers | {"call": found["call"].decode(), "kind": (found["kind"] or b"none").decode(), "comm": comm}
    return Event(*(said[name] for name in Event._fields))


def read(data: bytes, header: bytes) -> tuple[list[Event], list[bytes], int, int]:
    """Events, rejected lines, notices, events lost."""
    events, rejected, notices, lost = [], [], 0, 0
    *lines, cut = data.split(b"\n")
    for line in lines:
        if event := event_of(line):
            events.append(event)
        elif (found := NOTICE.fullmatch(line)) and int(found[1] or 0) < 2**64:
            notices, lost = notices + 1, lost + int(found[1] or 0)
        elif line == header:
            notices += 1
        else:
            rejected.append(line)
    return events, rejected + ([cut] if cut else []), notices, lost
